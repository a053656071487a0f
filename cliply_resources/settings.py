"""One settings object; every field can be set by an environment variable with the prefix `CLIPLY_`."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from cliply_resources.platforms.settings import PlatformSettings

__all__ = ["Settings", "get_settings"]


class Settings(PlatformSettings):
    """Where Cliply keeps its things, what it accepts, and (inherited) where the platforms are."""

    model_config = SettingsConfigDict(env_prefix="CLIPLY_", extra="ignore")

    home: Path = Field(default_factory=lambda: Path.home() / ".cliply")
    """Embedded database, stored objects, Dagster's own files, logs."""

    database_url: SecretStr | None = None
    """`postgresql://…` of an outside server, whose login may create roles and databases; unset starts the embedded one."""

    storage_url: str | None = None
    """`s3://bucket/prefix`, or a folder; unset keeps objects under `home`."""
    s3_endpoint: str | None = None
    public_url: str = "http://127.0.0.1:8000"
    """Where this installation's web service is reached from outside; links to stored objects begin with it."""

    vault_keys: tuple[SecretStr, ...] = ()
    """Keys that seal the secrets of connected accounts, each `name:base64 of 32 bytes`; the first seals, all open.
    Unset keeps a ring in `home`."""

    publish_prepare_seconds: float = Field(default=600.0, ge=0)
    """So long before it is due a post is prepared: sent to the platform, but for what publishes it."""
    publish_tolerance_seconds: float = Field(default=3600.0, ge=1)
    """A post that could not be published so long after it was due is missed."""
    publish_threads: int = Field(default=16, ge=1)
    """Posts that one publisher works on at once."""
    publish_lease_seconds: float = Field(default=900.0, ge=1)
    """A publisher that hangs in one call for so long has lost its post to the next one; longer than any call may take."""
    publish_takeover_seconds: float = Field(default=5.0, gt=0)
    """A post whose publisher has died is taken over within so long."""
    sandbox_page: Literal["local", "off", "everybody"] = "local"
    """Who sees `/sandbox`, which asks for no sign-in: browsers on this machine, nobody, or whoever reaches the installation."""
    reading_calls_per_day: dict[str, int] = Field(default_factory=dict)
    """`{"x": 500}`: how often all accounts together ask a platform for numbers and earlier posts in a day; the rest as built in."""
    metric_detail_days: int = Field(default=60, ge=1)
    """Afterwards one snapshot a day is kept of a post's numbers."""
    keep_metric_days: int = Field(default=800, ge=1)
    """Of snapshots; over two years, so that the same month of last year can be compared."""

    max_duration_seconds: float = 4 * 3600
    max_width: int = 4096
    max_height: int = 4096
    max_pixels: int = 3840 * 2160
    """4K, either way up."""
    max_bit_rate: int = 50_000_000
    """Bits a second, over the whole file."""
    max_source_bytes: int = 20 * 1024**3
    require_audio: bool = True
    """Whether a video without sound is refused; false finds clips by picture alone."""

    url_hosts: tuple[str, ...] = (
        "youtube.com",
        "youtu.be",
        "twitch.tv",
        "vimeo.com",
        "instagram.com",
        "tiktok.com",
        "x.com",
        "twitter.com",
    )
    """Hosts (and their subdomains) a source URL may name; `host:port` allows that port, too."""
    url_extractors: tuple[str, ...] = (
        "youtube",
        "twitch:vod",
        "twitch:clips",
        "vimeo",
        "instagram",
        "tiktok",
        "vm.tiktok",
        "twitter",
    )
    """yt-dlp extractors that may run; never the generic one, a search or a playlist."""
    url_schemes: tuple[str, ...] = ("https",)
    """Schemes a source URL may have; add `http` only for hosts of your own."""
    url_private_networks: tuple[str, ...] = ()
    """Networks of your own (`10.1.2.0/24`) that a download may connect to; all others that are not public are refused."""
    url_proxy: str | None = None
    """`http://host:port` that downloads go through; proxy variables of the environment are ignored."""
    url_viewers: bool = False
    """Whether comments that name a moment and the chat of a past stream are fetched with a video, for choosing moments by them;
    takes up to five minutes more. Names are not kept."""

    transcript_engines: tuple[str, ...] = ("whisperx", "faster-whisper", "deepgram", "pocketsphinx")
    """Tried in this order; one that is not installed or not configured is passed over, and said so."""
    whisper_model: str | None = None
    """A model folder, or a name such as `large-v3` that is already in the model cache; unset looks for a cached one."""
    diarization_model: Path | None = None
    """Folder of a pyannote pipeline for whisperx; unset leaves speakers unnamed."""
    model_hub_url: str = "https://huggingface.co"
    """Where `cliply models fetch` gets weights from; a mirror of your own works as well."""
    deepgram_api_key: SecretStr | None = None
    deepgram_url: str = "https://api.deepgram.com"

    llm_base_urls: tuple[str, ...] = ()
    """OpenAI-compatible endpoints, tried in this order; unset ranks without a language model."""
    llm_api_keys: tuple[SecretStr, ...] = ()
    """One for each base URL, in the same order."""
    llm_models: tuple[str, ...] = ()
    """One for each base URL, in the same order."""
    llm_max_tokens: int = Field(default=60_000, ge=1_000)
    """Tokens that ranking one upload may cost at most, questions and answers together; what would cost more is not asked."""

    video_encoder: Literal["auto", "libx264", "h264_nvenc"] = "auto"
    """What codes clips: `auto` takes an NVIDIA card that encodes in a trial, `libx264` always the processor; `h264_nvenc` is `auto` that
    complains where no card is."""

    yolo_weights: Path | None = None
    """Face weights for ultralytics; unset uses the bundled detector."""

    clip_model: str = "ViT-B-32"
    """open_clip's name of the model that `clip_weights` belongs to, or a model configuration file (`.json`)."""
    clip_weights: Path | None = None
    """Checkpoint on this machine for searching pictures; unset searches by words alone. Never downloaded."""

    keep_run_days: int = 30
    """Dagster's records of runs are deleted after so many days; uploads and clips are not."""

    keep_object_days: float = Field(default=7, gt=0)
    """Sources and intermediate files of an upload are deleted so long after the work on it ended; clips are not."""
    keep_step_days: float = Field(default=90, gt=0)
    """Steps, their small documents and events are deleted after so many days; clips are not."""
    keep_delivery_days: float = Field(default=30, gt=0)
    """The log of webhooks that were delivered or given up is deleted after so many days."""
    yt_dlp_max_days: int = Field(default=60, ge=1)
    """A yt-dlp older than this counts as out of date."""

    access_token_seconds: int = 15 * 60
    refresh_token_seconds: int = 7 * 24 * 3600
    """How long a sign-in lasts without being used; a browser's cookie as long."""
    refresh_grace_seconds: float = 10.0
    """A program whose two requests refresh at once gets the same answer twice within this time; later it counts as theft."""
    password_memory_kib: int = Field(default=64 * 1024, ge=8)
    """Memory that hashing one password with argon2id takes."""
    password_passes: int = Field(default=3, ge=1)
    token_issuer: str = "cliply"  # noqa: S105 - a name, no secret
    key_publication_seconds: float = 120.0
    """A new signing key signs only after so long, when every process has read it."""

    login_per_minute: int = Field(default=5, ge=1)
    """Attempts from one network address."""
    register_per_hour: int = Field(default=3, ge=1)
    """Accounts from one network address."""
    mails_per_hour: int = Field(default=5, ge=1)
    """Mails that can be asked for from one network address, and that one mailbox can be made to receive."""
    renders_per_hour: int = Field(default=200, ge=1)
    """Requests to render clips again, of one user; each may name up to a batch of clips."""
    connects_per_hour: int = Field(default=60, ge=1)
    """Sign-ins at platforms that one user may begin, or one address may come back from."""
    posts_per_hour: int = Field(default=200, ge=1)
    """Requests for new posts, by one user."""
    posts_per_workspace_a_day: int = Field(default=500, ge=1)
    """New posts of one workspace in any 24 hours, however many accounts it has."""
    hooks_per_minute: int = Field(default=600, ge=1)
    """Webhooks that come in from one address."""
    connect_return_urls: tuple[str, ...] = ()
    """Beginnings of addresses (`https://app.example.com/`) that people may be sent to after connecting an account, besides
    `public_url` and `cors_origins`."""
    user_requests_per_minute: int = Field(default=100, ge=1)
    workspace_requests_per_minute: int = Field(default=1000, ge=1)

    webhook_private_networks: tuple[str, ...] = ()
    """Networks of your own (`10.1.2.0/24`) that webhooks may go to; with one, plain http and any port are allowed, too."""
    streams_per_workspace: int = Field(default=50, ge=1)
    """Event streams and sockets that one process keeps open for a workspace."""
    metrics_token: SecretStr | None = None
    """The bearer token that /metrics asks for; unset answers to this machine only."""

    cors_origins: tuple[str, ...] = ()
    """Origins (`https://app.example.com`) whose pages may call the API with cookies; others may not."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks of your own reverse proxies; only what they say about a caller's address is believed."""
    max_body_bytes: int = 2 * 1024 * 1024
    """Of one API request; films go to the storage by signed URL."""
    max_upload_bytes: int = Field(default=2 * 1024**3, ge=1)
    """Of one film that is put into the storage by signed URL."""
    part_bytes: int = Field(default=16 * 1024**2, ge=5 * 1024**2)
    """Of each part but the last of a film that is put in parts; S3 takes no smaller ones."""
    upload_link_seconds: int = Field(default=3600, ge=60)
    """How long a signed URL takes a film; one that began in time may take longer."""
    keep_unconfirmed_hours: int = Field(default=24, ge=1)
    """What was put by signed URL and not confirmed is deleted so long after the URL's end."""
    keep_deleted_workspace_days: int = Field(default=7, ge=1)
    """A deleted workspace can be had back for so long; then it goes with everything in it."""
    audit_days: int = 90
    min_free_bytes: int = 1024**3
    """Readiness turns red when the disk under `home` has less left."""

    smtp_url: SecretStr | None = None
    """`smtps://user:password@host:465` or `smtp://host:587` (STARTTLS); unset writes mails to a folder in `home`."""
    mail_from: str = "Cliply <cliply@localhost>"

    pool_sizes: dict[str, int] = Field(default_factory=dict)
    """`{"render": 4}`: how many steps of a pool (network, decode, asr, vision, render, publish) are done at once, over all runs."""

    price_cpu_hour: float = Field(default=0.0, ge=0)
    """What an hour of one processor core costs you, in the currency you think in; for the cost estimates of the usage."""
    price_gpu_hour: float = Field(default=0.0, ge=0)
    price_million_tokens_in: float = Field(default=0.0, ge=0)
    price_million_tokens_out: float = Field(default=0.0, ge=0)

    uploads_at_once: int = Field(default=50, ge=1)
    """Uploads worked on or handed to Dagster's queue at once, over all workspaces; the others wait for their turn."""
    broker_url: SecretStr | None = None
    """`redis://…` of the broker through which runs go to `cliply worker` on other machines; unset keeps all work on this one."""
    slack_webhook_url: SecretStr | None = None
    """The incoming webhook of a Slack app, which alerts are posted to."""
    slack_hosts: tuple[str, ...] = ("hooks.slack.com", "hooks.slack-gov.com")
    """Hosts that the webhook may lead to."""
    alert_mail_to: tuple[str, ...] = ()
    """Addresses that alerts are mailed to."""
    sms_url: str | None = None
    """Where an SMS gateway takes a form with From, To and Body; alerts that page are sent by it."""
    sms_user: str = ""
    sms_password: SecretStr | None = None
    sms_from: str = "Cliply"
    sms_to: tuple[str, ...] = ()
    """Telephone numbers such as +491701234567."""
    alert_repeat_hours: float = Field(default=6, gt=0)
    """An alert that lasts is told again after so long."""
    alerts_per_hour: int = Field(default=20, ge=1)
    """Messages that leave by one channel at most."""
    otlp_endpoint: str | None = None
    """An OpenTelemetry collector (`http://127.0.0.1:4318`) that traces are sent to; unset sends none."""
    otlp_token: SecretStr | None = None
    """The bearer token that it asks for."""
    sentry_dsn: SecretStr | None = None
    """A Sentry server that errors which nobody foresaw are reported to, scrubbed; needs the extra `cliply[sentry]`."""

    worker_cpus: int | None = None
    """How many steps of one run work side by side; unset asks the machine."""


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read from the environment once."""
    return Settings()
