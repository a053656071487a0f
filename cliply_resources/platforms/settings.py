"""Where the platforms are and what this installation is called there; part of the one settings object (`CLIPLY_…`)."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings

__all__ = ["PlatformSettings"]


class PlatformSettings(BaseSettings):
    """Base URLs, all of which may point at a simulator, and the apps that are registered with the platforms."""

    youtube_client_id: str | None = None
    youtube_client_secret: SecretStr | None = None
    google_authorize_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    google_token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, no secret
    google_revoke_url: str = "https://oauth2.googleapis.com/revoke"
    youtube_api_base: str = "https://www.googleapis.com"
    youtube_analytics_base: str = "https://youtubeanalytics.googleapis.com"
    youtube_websub_hub_url: str = "https://pubsubhubbub.appspot.com/subscribe"
    youtube_websub_topic: str = "https://www.youtube.com/xml/feeds/videos.xml?channel_id="

    tiktok_client_key: str | None = None
    tiktok_client_secret: SecretStr | None = None
    tiktok_authorize_url: str = "https://www.tiktok.com/v2/auth/authorize/"
    tiktok_api_base: str = "https://open.tiktokapis.com"
    tiktok_desktop_app: bool = False
    """Whether the app is registered as *Desktop*, which asks for PKCE with a hex challenge; a web app sends none."""
    tiktok_source: str = "FILE_UPLOAD"
    """`FILE_UPLOAD` sends the bytes; `PULL_FROM_URL` lets TikTok fetch them from a verified domain."""

    instagram_client_id: str | None = None
    instagram_client_secret: SecretStr | None = None
    instagram_authorize_url: str = "https://www.instagram.com/oauth/authorize"
    instagram_token_base: str = "https://api.instagram.com"  # noqa: S105 - an address, no secret
    instagram_graph_base: str = "https://graph.instagram.com"
    facebook_graph_base: str = "https://graph.facebook.com"
    meta_rupload_base: str = "https://rupload.facebook.com"
    meta_graph_version: str = "v25.0"
    instagram_resumable: bool = False
    """Send the bytes instead of a link that Meta fetches; officially for apps with Facebook Login only."""
    meta_verify_token: SecretStr | None = None
    """What Meta has to say when it verifies the webhook address."""

    x_client_id: str | None = None
    x_client_secret: SecretStr | None = None
    """Unset for an app that is registered as a public client."""
    x_authorize_url: str = "https://x.com/i/oauth2/authorize"
    x_api_base: str = "https://api.x.com"

    linkedin_client_id: str | None = None
    linkedin_client_secret: SecretStr | None = None
    linkedin_auth_base: str = "https://www.linkedin.com"
    linkedin_api_base: str = "https://api.linkedin.com"
    linkedin_version: str = "202608"
    linkedin_organizations: bool = False
    """Ask also for posting as an organisation, which LinkedIn grants to apps it has vetted (Community Management API)."""

    platform_timeout_seconds: float = 60.0
    """For one request to a platform; one that carries a piece of a film may take ten times as long."""
