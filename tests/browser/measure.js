// Says what is wrong with the layout of the page as it stands: what overflows, what is too small to hit.
const root = document.documentElement;
const name = (element) => element.outerHTML.slice(0, 120).replace(/\s+/g, " ");
const box = (element) => element.getBoundingClientRect();
// What is there for screen readers alone, or appears with the focus, is clipped to nothing.
const shown = (element) =>
  box(element).width > 0 && box(element).height > 0 && getComputedStyle(element).clipPath === "none";
const faults = [];

if (root.scrollWidth > root.clientWidth) {
  const wide = [...document.body.querySelectorAll("*")].filter(
    (element) => shown(element) && box(element).right > root.clientWidth + 0.5,
  );
  faults.push(`scrolls sideways, ${root.scrollWidth} over ${root.clientWidth}: ${wide.slice(-3).map(name).join(" ")}`);
}

// WCAG 2.2, 2.5.8, leaves out links in a sentence.
const inSentence = (link) =>
  link.matches("a") &&
  getComputedStyle(link).display === "inline" &&
  [...link.parentElement.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
let targets = 0;
for (const target of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")) {
  if (!shown(target) || inSentence(target)) continue;
  targets += 1;
  const { width, height } = box(target);
  if (width < 24 || height < 24) faults.push(`a target of ${width} x ${height}: ${name(target)}`);
}
if (targets === 0) faults.push("no target was measured");

return { faults, height: Math.max(root.scrollHeight, innerHeight) };
