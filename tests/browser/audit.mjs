// Looks at a page as it is laid out, and tells what a person with a keyboard, a narrow screen or weak
// eyes would stumble over. Runs within the page; every fault is one line that says where it is.

/** To be evaluated in a page: the faults that can be seen without touching anything. */
export function faultsOfLayout() {
  const faults = [];
  const where = (element) => {
    const id = element.id ? `#${element.id}` : "";
    return `${element.tagName.toLowerCase()}${id} "${(element.textContent ?? "").trim().slice(0, 30)}"`;
  };
  const unseen = (element) => {
    const clipped = (at) => at && (getComputedStyle(at).clipPath !== "none" || clipped(at.parentElement));
    return element.closest(".skip") !== null || clipped(element);
  };

  // --- contrast (WCAG 2.2, 1.4.3 and 1.4.11) ---
  const rgba = (text) => {
    const [red, green, blue, alpha = 1] = text.match(/[\d.]+/g).map(Number);
    return { channels: [red, green, blue], alpha };
  };
  const luminance = (channels) => {
    const [red, green, blue] = channels
      .map((channel) => channel / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { channels, alpha } = rgba(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return channels;
      if (alpha !== 0) faults.push(`half transparent: ${where(at)}`);
    }
    return [255, 255, 255];
  };
  const demand = (what, element, colour, ground, least) => {
    const found = contrast(rgba(colour).channels, ground);
    if (found < least) faults.push(`${what} has a contrast of ${found.toFixed(2)}: ${where(element)}`);
  };

  let looked = 0;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (texts.currentNode.data.trim() && !unseen(element)) {
      looked += 1;
      demand("text", element, getComputedStyle(element).color, behind(element), 4.5);
    }
  }
  for (const control of document.querySelectorAll("input[type=text], select, textarea, button, .button")) {
    const style = getComputedStyle(control);
    demand("value", control, style.color, behind(control), 4.5);
    demand("edge", control, style.borderTopColor, behind(control.parentElement), 3);
  }

  // --- nothing beside the screen, nothing too small to hit (1.4.10, 2.5.8) ---
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) faults.push("the page scrolls sideways");
  for (const element of document.querySelectorAll("body *")) {
    const box = element.getBoundingClientRect();
    if (!unseen(element) && (box.right > width + 0.5 || box.left < -0.5)) {
      faults.push(`beside the screen: ${where(element)}`);
    }
  }
  for (const control of document.querySelectorAll("button, select, nav a, .button, input:not([type=hidden])")) {
    const box = control.getBoundingClientRect();
    const label = control.labels?.[0]?.getBoundingClientRect().height ?? 0;
    if (Math.max(box.height, label) < 24) faults.push(`hard to hit: ${where(control)}`);
  }

  // --- names (1.3.1, 3.3.2, 4.1.2) ---
  for (const control of document.querySelectorAll("select, textarea, input:not([type=hidden])")) {
    if (!control.labels.length) faults.push(`no label: ${where(control)}`);
  }
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (!document.documentElement.lang) faults.push("no language");
  return { faults, looked };
}

/** To be evaluated in a page: its stops for the Tab key in the order of the document. */
export function stopsInOrder() {
  const radios = new Set();
  const able = "a[href], button, select, textarea, input:not([type=hidden])";
  return [...document.querySelectorAll(able)]
    .filter((element) => {
      if (element.type !== "radio") return true;
      const first = !radios.has(element.name) && (element.checked || !document.querySelector(`input[name="${element.name}"]:checked`));
      if (first) radios.add(element.name);
      return first;
    })
    .map((element) => element.outerHTML);
}

/** To be evaluated in a page: what has the focus, and whether that can be seen. */
export function focused() {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  return {
    html: element.outerHTML,
    tag: element.tagName,
    id: element.id,
    name: element.name ?? "",
    text: (element.textContent ?? "").trim(),
    seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  };
}
