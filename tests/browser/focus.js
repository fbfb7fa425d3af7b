// Says what has the focus, how it is marked, and whether it can be seen.
const focused = document.activeElement;
if (!focused || focused === document.body) return { name: "page" };
const style = getComputedStyle(focused);
const box = focused.getBoundingClientRect();
// Between the lines of a link that is broken into several lies something else.
const line = focused.getClientRects()[0] ?? box;
const words = focused.getAttribute("aria-label") ?? focused.textContent.trim();
// The colour's last part is its opacity where it has four.
const opaque = (color) => !/, 0\)$|\/ 0\)$/.test(color) && color !== "transparent";
const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && opaque(style.outlineColor);
return {
  name: focused.id ? "#" + focused.id : focused.tagName.toLowerCase() + " " + words,
  outlined,
  large: box.width >= 24 && box.height >= 24,
  // Partly at least inside the window, and not under something else.
  seen: box.width > 1 && box.height > 1 && focused.contains(
    document.elementFromPoint(
      Math.min(Math.max(line.left + line.width / 2, 0), innerWidth - 1),
      Math.min(Math.max(line.top + line.height / 2, 0), innerHeight - 1),
    ),
  ),
  outline: `${style.outlineStyle} ${style.outlineWidth} ${style.outlineColor}`,
};
