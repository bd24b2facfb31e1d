// Calls of the web app's JSON routes below `app/`.

import { t } from "./strings.js";

/** The answer of a route; `{error}` where there is none. `body`: a file, or a value to be sent as JSON. */
export async function ask(route, params = {}, body = null, signal = undefined) {
  const url = new URL(`app/${route}`, document.baseURI);
  for (const [name, value] of Object.entries(params)) if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value);
  const file = body instanceof Blob;
  const options = body === null ? {} : { method: "POST", body: file ? body : JSON.stringify(body), headers: { "content-type": file ? "application/octet-stream" : "application/json" } };
  try {
    const response = await fetch(url, { ...options, signal });
    if (response.status === 413) return { error: { own: true, title: t("error.large"), hint: t("error.large.hint") } };
    if (!response.ok) return { error: { own: true, title: t("error.failed"), hint: "", retry: true } };
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { error: { own: true, title: t("error.silent"), hint: t("error.silent.hint"), retry: true } };
  }
}
