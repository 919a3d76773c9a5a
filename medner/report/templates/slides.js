const slides = [...document.querySelectorAll(".slide")];
const steps = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
const current = () => {
  const middle = window.innerHeight / 2;
  const found = slides.findIndex((slide) => slide.getBoundingClientRect().bottom > middle);
  return found < 0 ? slides.length - 1 : found;
};
const turn = (number) => {
  const slide = slides[Math.max(0, Math.min(slides.length - 1, number))];
  slide.scrollIntoView();
  slide.focus({ preventScroll: true });
};
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  let to;
  if (event.key === "Home") to = 0;
  else if (event.key === "End") to = slides.length - 1;
  else if (event.key in steps) to = current() + (event.shiftKey && event.key === " " ? -1 : steps[event.key]);
  else return;
  event.preventDefault();
  turn(to);
});
