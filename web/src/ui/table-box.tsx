import { useEffect, useRef, useState, type ReactNode } from 'react';

// Around a table that may be wider than the page. While it is, it can be scrolled by keyboard.
export function TableBox({ label, children }: { label: string; children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const element = box.current!;
    const measure = () => setWide(element.scrollWidth > element.clientWidth);
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    observer.observe(element.firstElementChild ?? element);
    return () => observer.disconnect();
  }, []);
  return <div ref={box} className="table-box" role="group" aria-label={label} tabIndex={wide ? 0 : undefined}>{children}</div>;
}
