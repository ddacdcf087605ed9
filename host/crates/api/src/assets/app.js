// Keeps the live regions of a page fresh by asking for the page again. Every page works without it.

const EVERY_MS = 2000;
const known = new Map();
const regions = () => [...document.querySelectorAll("[data-live][id]")];
const note = document.getElementById("live");
for (const region of regions()) known.set(region.id, region.innerHTML);

// What a person has in hand is not taken away.
function inUse(region) {
  const at = document.activeElement;
  if (at && region.contains(at) && at.matches("input, select, textarea")) return true;
  const selection = document.getSelection();
  return Boolean(selection && !selection.isCollapsed && region.contains(selection.anchorNode));
}

// The same element after a swap: by its id, or by where it leads.
function twin(region, element) {
  if (element.id) return document.getElementById(element.id);
  const owner = element.closest("[id]");
  const within = owner && owner !== region ? document.getElementById(owner.id) : region;
  const href = element.getAttribute("href") ?? element.form?.getAttribute("action");
  if (element.matches("summary")) return within?.querySelector("summary");
  return [...(within ?? region).querySelectorAll("a, button")].find(
    (other) => (other.getAttribute("href") ?? other.form?.getAttribute("action")) === href,
  );
}

function swap(region, fresh) {
  const open = new Map([...region.querySelectorAll("details[id]")].map((d) => [d.id, d.open]));
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  region.innerHTML = fresh.innerHTML;
  region.toggleAttribute("data-live", fresh.hasAttribute("data-live"));
  for (const details of region.querySelectorAll("details[id]")) {
    if (open.has(details.id)) details.open = open.get(details.id);
  }
  if (focused) twin(region, focused)?.focus({ preventScroll: true });
}

async function refresh() {
  const response = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
  if (!response.ok) throw new Error(String(response.status));
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const region of regions()) {
    const fresh = page.getElementById(region.id);
    if (!fresh || fresh.innerHTML === known.get(region.id) || inUse(region)) continue;
    known.set(region.id, fresh.innerHTML);
    swap(region, fresh);
  }
}

function tell(lost) {
  if (!note) return;
  note.hidden = !lost;
  note.textContent = lost ? "Not connected" : "";
}

async function watch() {
  if (!document.hidden && regions().length > 0) {
    try {
      await refresh();
      tell(false);
    } catch {
      tell(true);
    }
  }
  setTimeout(watch, EVERY_MS);
}

// A flash is told once: it is gone when the page is loaded again.
const here = new URL(location.href);
if (here.searchParams.has("flash")) {
  here.searchParams.delete("flash");
  history.replaceState(null, "", here);
}
for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
for (const button of document.querySelectorAll("[data-submitted]")) button.hidden = true;
if (regions().length > 0) setTimeout(watch, EVERY_MS);
