// What the lines say at the place pointed at.
for (const svg of document.querySelectorAll("svg")) {
  const output = svg.parentElement.querySelector("output");
  const cursor = svg.querySelector(".cursor");
  const lines = [...svg.querySelectorAll("path")].map((path) => ({
    name: path.dataset.name,
    points: path.dataset.values.split(" ").map((pair) => pair.split(",")),
  }));
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const nearest = (points) => points.reduce((best, point) => (Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best));
    const found = lines.map((line) => [line.name, nearest(line.points)]);
    output.textContent = found.map(([name, point]) => `${name}  ${point[1]} ${svg.dataset.unit}`).join("\n");
    output.style.display = "block";
    const side = event.clientX - box.left > box.width / 2 ? -output.offsetWidth - 14 : 14;
    const outer = svg.parentElement.getBoundingClientRect();
    output.style.left = `${event.clientX - outer.left + side}px`;
    output.style.top = `${event.clientY - outer.top - 20}px`;
    cursor.removeAttribute("hidden");
    for (const name of ["x1", "x2"]) cursor.setAttribute(name, found[0][1][0]);
    cursor.setAttribute("y1", 18);
    cursor.setAttribute("y2", 240);
  });
  svg.addEventListener("pointerleave", () => {
    output.style.display = "none";
    cursor.setAttribute("hidden", "");
  });
}
