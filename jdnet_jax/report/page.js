"use strict";
// A press on the head of a column sorts the table by it: numbers from the largest, text from A; again: the other way.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const isNumber = "value" in body.rows[0].cells[column].dataset;
      const first = isNumber ? "descending" : "ascending";
      const second = isNumber ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      const sign = order === "ascending" ? 1 : -1;
      const key = (row) => {
        const cell = row.cells[column];
        return isNumber ? cell.dataset.value : cell.textContent;
      };
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (!isNumber) return sign * x.localeCompare(y);
        if (x === "" || y === "") return (x === "") - (y === ""); // what has no value stands last
        return sign * (Number(x) - Number(y));
      };
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      body.append(...[...body.rows].sort(compare));
    });
  });
}

// What is wider than its place scrolls, says so, and shows its last column first where that is the newest.
for (const box of document.querySelectorAll(".scroll")) {
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.hidden = true;
  box.before(hint);
  const tell = () => {
    const rest = box.scrollWidth - box.clientWidth;
    const [left, right] = [box.scrollLeft > 1, box.scrollLeft < rest - 1];
    hint.hidden = rest <= 1;
    hint.textContent = `${left ? "← " : ""}Scroll sideways for the rest${right ? " →" : ""}`;
  };
  const show = () => {
    if (box.classList.contains("from-end") && !box.dataset.touched) box.scrollLeft = box.scrollWidth;
    tell();
  };
  box.addEventListener("scroll", tell, { passive: true });
  for (const kind of ["pointerdown", "wheel", "keydown"]) {
    box.addEventListener(kind, () => (box.dataset.touched = "1"), { passive: true });
  }
  new ResizeObserver(show).observe(box);
}

// A press copies the command.
for (const box of document.querySelectorAll(".command")) {
  const [code, button] = [box.querySelector("code"), box.querySelector("button")];
  button.hidden = false;
  button.addEventListener("click", async () => {
    let copied = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code); // where a page may not: it is selected, and an older way is tried
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? "Copied" : "Selected: copy it";
  });
}
