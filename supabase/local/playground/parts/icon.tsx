// Line icons, all on a square of 24.

const paths = {
  bell: "M6 9a6 6 0 0 1 12 0c0 6 2 7 2 7H4s2-1 2-7M10 20a2 2 0 0 0 4 0",
  close: "M6 6l12 12M18 6L6 18",
  sliders: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  leave: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  heart: "M12 20s-7-4.6-8.6-9A4.7 4.7 0 0 1 12 7a4.7 4.7 0 0 1 8.6 4C19 15.400 12 20 12 20z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  retry: "M4 12a8 8 0 0 1 14-5l2 2M20 4v5h-5M20 12a8 8 0 0 1-14 5l-2-2M4 20v-5h5",
  pencil: "M4 20l1-4L16 5l3 3L8 19l-4 1M14 7l3 3",
  list: "M5 6h14M5 12h14M5 18h9",
  plus: "M12 5v14M5 12h14",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4 4",
  filter: "M4 6h16M7 12h10M10 18h4",
  cloud:
    "M4 4l16 16M7 18a4 4 0 0 1-.500-8 6 6 0 0 1 1.500-2.500M11 6.100A6 6 0 0 1 18 11a3.500 3.500 0 0 1 2 6",
  spark: "M12 3v5M12 16v5M3 12h5M16 12h5M6 6l3 3M15 15l3 3M18 6l-3 3M9 15l-3 3",
} as const;

export function Icon({ name, isFilled = false }: { name: keyof typeof paths; isFilled?: boolean }) {
  return (
    <svg className={isFilled ? "icon is-filled" : "icon"} viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
