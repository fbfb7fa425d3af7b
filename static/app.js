// Comfort only: every page works without this file.
const make = (name, attributes, space = "1999/xhtml") => {
  const element = document.createElementNS("http://www.w3.org/" + space, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  return element;
};

const eye = () => {
  const svg = make("svg", { viewBox: "0 0 24 24", "aria-hidden": true }, "2000/svg");
  for (const d of ["M2 12s3.6-7 10-7 10 7 10 7-3.6 7-10 7-10-7-10-7zm13 0a3 3 0 1 0-6 0 3 3 0 0 0 6 0z", "M4 21 20 3"])
    svg.append(make("path", { d }, "2000/svg"));
  return svg;
};

const addReveal = (input) => {
  const button = make("button", { type: "button", class: "reveal", "aria-label": "Show password" });
  const show = (on) => {
    input.type = on ? "text" : "password";
    button.setAttribute("aria-pressed", on);
  };
  show(false);
  button.append(eye());
  button.addEventListener("click", () => show(input.type === "password"));
  // Sent as a password, so that no browser keeps it among the things once typed.
  input.form.addEventListener("submit", () => show(false));
  input.after(button);
};

const judge = (password, least) => {
  const length = [...password].length;
  if (!length) return [0, ""];
  if (length < least) return [1, `Too short: ${least - length} more to go.`];
  if (new Set(password).size < 5) return [1, "Too few different characters."];
  if (length < 15) return [2, "Long enough. Longer is stronger."];
  return [3, "Good length."];
};

const addStrength = (input) => {
  const words = make("p", { class: "strength", "aria-live": "polite" });
  let pause;
  input.addEventListener("input", () => {
    const [level, text] = judge(input.value, +input.dataset.minLength);
    words.dataset.level = level;
    clearTimeout(pause);
    pause = setTimeout(() => (words.textContent = text), 300);
  });
  input.parentElement.after(words);
};

for (const input of document.querySelectorAll("input[type=password]")) {
  addReveal(input);
  if (input.dataset.minLength) addStrength(input);
}

const spell = (seconds) => {
  const [size, unit] = seconds > 5400 ? [3600, "hour"] : seconds > 90 ? [60, "minute"] : [1, "second"];
  const count = Math.ceil(seconds / size);
  return `in ${count} ${unit}${count === 1 ? "" : "s"}`;
};

for (const wait of document.querySelectorAll("[data-seconds]")) {
  // By the clock: a page in the background is not called every second.
  const end = Date.now() + wait.dataset.seconds * 1000;
  const tick = setInterval(() => {
    const left = Math.ceil((end - Date.now()) / 1000);
    wait.textContent = left > 0 ? spell(left) : "now";
    if (left <= 0) clearInterval(tick);
  }, 1000);
}

const zone = document.getElementById("time_zone");
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
// No zone is UTC.
if (zone && !zone.value && here && here !== "UTC") {
  const button = make("button", { type: "button", class: "plain" });
  button.textContent = "Use " + here;
  button.addEventListener("click", () => {
    zone.value = here;
    zone.focus();
    button.remove();
  });
  zone.parentElement.after(button);
}
