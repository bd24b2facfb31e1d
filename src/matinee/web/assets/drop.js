// Input of a poster: dropped, pasted, photographed or chosen by the visitor, or a film's own.
// Files are sent to the web app unchanged.

import { Camera, hasCamera } from "./camera.js";
import { html } from "./html.js";
import { named, poster } from "./films.js";

const matchAddress = (id) => `?tab=match&film=${encodeURIComponent(id)}`;

const frame = () => html`<section class="drop" aria-labelledby="drop-title">
  <h2 id="drop-title">Find films by their poster</h2>
  <div class="zone">
    <div class="preview"></div>
    <video class="seen" playsinline muted hidden aria-label="What the camera sees"></video>
    <p class="ask">Drop a poster here or paste one.</p>
    <div class="ways">
      <button type="button" class="plain strong" data-way="choose">Choose a picture</button>
      <button type="button" class="plain" data-way="camera">Take a photograph</button>
      <button type="button" class="plain strong" data-way="shoot" hidden>Take it now</button>
      <button type="button" class="plain" data-way="stop" hidden>Close the camera</button>
    </div>
    <input class="seen-not" type="file" accept="image/*" tabindex="-1" aria-label="Picture of a poster" />
    <p class="note" role="status"></p>
  </div>
  <p class="quiet small">JPEG, PNG, WebP or AVIF, up to ${megabytes(largest())} MB. The picture is compared and not kept.</p>
</section>`;

function largest() {
  return window.gradio_config?.max_file_size || 8 * 1024 * 1024;
}

function megabytes(bytes) {
  return (Math.round((bytes / 1024 / 1024) * 10) / 10).toString();
}

/** Upload a file. Returns the reference for the listener. Throws an Error with a sentence for the visitor. */
async function upload(file) {
  if (file.size > largest()) throw new Error(tooLarge(file));
  const form = new FormData();
  form.append("files", file, file.name || "poster");
  let response;
  try {
    response = await fetch(new URL("gradio_api/upload", document.baseURI), { method: "POST", body: form });
  } catch {
    throw new Error("The picture could not be sent: this app does not answer. Try again in a moment.");
  }
  if (response.status === 413) throw new Error(tooLarge(file));
  if (!response.ok) throw new Error("The picture could not be sent. Try again, or choose another one.");
  const [path] = await response.json();
  return { path, orig_name: file.name, size: file.size, mime_type: file.type || null, meta: { _type: "gradio.FileData" } };
}

const tooLarge = (file) =>
  `This picture has ${megabytes(file.size)} MB, and ${megabytes(largest())} MB is the most. Save it smaller, or take a screenshot of it.`;

/** The id of the film of a dropped link or poster of this app; null for anything else. */
function filmOf(text) {
  try {
    const url = new URL(text.split("\n")[0]);
    if (url.origin !== location.origin) return null;
    const [, id] = url.pathname.match(/\/media\/posters\/([^/]+)$/) ?? [];
    return id ? decodeURIComponent(id) : url.searchParams.get("film");
  } catch {
    return null;
  }
}

export function mount({ root, props, trigger, watch }) {
  const { matinee } = window;
  root.innerHTML = String(frame());
  const part = (selector) => root.querySelector(selector);
  const [zone, preview, note, input, video] = [".zone", ".preview", ".note", "input", "video"].map(part);
  const way = (name) => part(`[data-way="${name}"]`);
  const camera = new Camera(video);
  let file = null; // the visitor's picture; null while a film's poster or nothing is shown
  let film = null;
  let uploads = 0;

  const say = (text) => {
    if (note.textContent !== text) note.textContent = text;
  };

  const show = (picture) => {
    preview.innerHTML = String(picture ?? "");
    zone.classList.toggle("filled", Boolean(picture));
  };

  const watching = (on) => {
    video.hidden = way("shoot").hidden = way("stop").hidden = !on;
    way("choose").hidden = way("camera").hidden = preview.hidden = on;
    if (!on) camera.stop();
  };

  const search = async () => {
    const own = ++uploads;
    say("Looking at the posters of all films …");
    zone.setAttribute("aria-busy", "true");
    try {
      const image = await upload(file);
      if (own === uploads) matinee.fire(trigger, "match", { image });
    } catch (error) {
      zone.removeAttribute("aria-busy");
      say(error.message);
    }
  };

  const use = (picture) => {
    watching(false);
    if (preview.firstChild?.src?.startsWith("blob:")) URL.revokeObjectURL(preview.firstChild.src);
    file = picture;
    film = null;
    show(html`<img class="poster" src="${URL.createObjectURL(picture)}" alt="Your picture" />`);
    preview.firstChild.addEventListener("error", () => file === picture && show(null)); // not a picture, or of an unknown format
    search();
  };

  matinee.matched = () => {
    zone.removeAttribute("aria-busy");
    say("");
  };

  addEventListener("matinee:failed", () => zone.hasAttribute("aria-busy") && matinee.matched());

  let later = null;
  let before = null;
  matinee.matchAgain = (k) => {
    clearTimeout(later);
    later = setTimeout(() => {
      if (k === before || !(file || film)) return;
      before = k;
      if (file) search();
      else matinee.fire(trigger, "film", { film: film.movie_id });
    }, 150);
  };

  const visible = () => root.offsetParent !== null;

  root.addEventListener("click", (event) => {
    const name = event.target.closest("[data-way]")?.dataset.way;
    if (name === "choose") input.click();
    else if (name === "camera" && !hasCamera()) {
      input.setAttribute("capture", "environment"); // phones open their camera, other devices a file chooser
      input.click();
      input.removeAttribute("capture");
    } else if (name === "camera") {
      watching(true);
      say("");
      camera.start().then(
        () => way("shoot").focus(),
        (error) => {
          watching(false);
          say(error.message);
        },
      );
    } else if (name === "shoot") camera.take().then(use);
    else if (name === "stop") {
      watching(false);
      way("camera").focus();
    }
  });
  input.addEventListener("change", () => {
    if (input.files[0]) use(input.files[0]);
    input.value = ""; // the same file may be chosen again
  });

  // A picture may be dropped anywhere on this page: outside of the zone the browser would leave the app to show it.
  const dragged = (on) => zone.classList.toggle("over", on);
  addEventListener("dragover", (event) => {
    if (!visible()) return;
    event.preventDefault();
    dragged(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget ?? dragged(false));
  addEventListener("dragend", () => dragged(false));
  addEventListener("drop", (event) => {
    if (!visible()) return;
    event.preventDefault();
    dragged(false);
    const id = filmOf(event.dataTransfer.getData("text/uri-list"));
    if (id) matinee.go(matchAddress(id));
    else if (event.dataTransfer.files[0]) use(event.dataTransfer.files[0]);
    else say("That was no picture file. Save the picture first, then drop it here.");
  });
  addEventListener("paste", (event) => {
    if (!visible() || event.target.closest?.("input, textarea, [contenteditable]")) return;
    const [pasted] = event.clipboardData.files;
    if (pasted) use(pasted);
    else say("There is no picture in the clipboard. Copy a picture, not its address.");
  });
  new ResizeObserver(() => visible() || (camera.stream && watching(false))).observe(root);

  const draw = () => {
    const value = props.value ?? {};
    film = value.film ?? null;
    if (film) {
      file = null;
      show(poster(film, { alt: `Poster of ${named(film)}`, small: false }));
    } else if (!file) show(null);
    matinee.matched();
  };
  watch("value", draw);
  draw();
}
