"use strict";
// Shows what stands on the sandbox, plays what is in sight, and asks every three seconds what has changed.

const feed = document.getElementById("feed");
const empty = document.getElementById("empty");
const card = document.getElementById("card");
const shown = new Map();
let sound = false;

const short = new Intl.NumberFormat(undefined, { notation: "compact" });
const spans = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

function ago(moment) {
  const seconds = Math.max(0, (Date.now() - Date.parse(moment)) / 1000);
  const [unit, length] = spans.find(([, each]) => seconds >= each) ?? spans[3];
  return relative.format(-Math.floor(seconds / length), unit);
}

const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const video = entry.target.querySelector("video");
      if (entry.isIntersecting) {
        video.muted = !sound;
        video.play().catch(() => { video.muted = true; video.play().catch(() => {}); });
      } else {
        video.pause();
      }
    }
  },
  { root: feed, threshold: 0.6 },
);

function make(post) {
  const made = card.content.firstElementChild.cloneNode(true);
  made.id = post.id;
  const video = made.querySelector("video");
  video.src = post.film;
  video.setAttribute("aria-label", post.title || post.caption || "A clip");
  video.addEventListener("click", () => (video.paused ? video.play() : video.pause()));
  const button = made.querySelector(".sound");
  button.addEventListener("click", () => {
    sound = !sound;
    for (const each of shown.values()) {
      each.querySelector("video").muted = !sound;
      each.querySelector(".sound").textContent = sound ? "Sound on" : "Sound off";
      each.querySelector(".sound").setAttribute("aria-pressed", String(sound));
    }
  });
  button.textContent = sound ? "Sound on" : "Sound off";
  watcher.observe(made);
  return made;
}

function fill(made, post) {
  const say = (selector, text) => {
    const place = made.querySelector(selector);
    if (place.textContent !== text) place.textContent = text;
  };
  say(".account", "@" + post.account);
  say("h2", post.title);
  say(".caption", post.caption);
  say(".when", ago(post.published_at) + (post.visibility === "public" ? "" : " · " + post.visibility));
  for (const name of ["views", "likes", "comments", "shares"]) say("." + name, short.format(post[name]));
}

async function look() {
  const reply = await fetch("/sandbox/posts");
  if (!reply.ok) return;
  const { posts } = await reply.json();
  const there = new Set(posts.map((post) => post.id));
  for (const [id, made] of shown) {
    if (!there.has(id)) { made.remove(); shown.delete(id); }
  }
  let before = null;
  for (const post of posts) {
    let made = shown.get(post.id);
    if (!made) {
      made = make(post);
      shown.set(post.id, made);
      if (before) before.after(made); else feed.prepend(made);
    }
    fill(made, post);
    before = made;
  }
  empty.hidden = posts.length > 0;
}

function mark() {
  for (const each of shown.values()) each.classList.toggle("marked", "#" + each.id === location.hash);
  shown.get(location.hash.slice(1))?.scrollIntoView({ block: "center" });
}

window.addEventListener("hashchange", mark);
const again = () => look().catch(() => {}).finally(() => setTimeout(again, document.hidden ? 15000 : 3000));
look().then(mark).catch(() => {}).finally(() => setTimeout(again, 3000));
