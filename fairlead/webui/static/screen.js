// The screen of a terminal: cells, cursor and the escapes of ECMA-48 and xterm that shells, editors and pagers send.
// No document: `write` takes text, `lines` gives what to draw, `reply` gets the answers to the program's questions.

const HISTORY = 1000;
const PLAIN = { fg: "", bg: "", flags: "" };
const COLORS = ["#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5",
  "#767676", "#f14c4c", "#23d18b", "#f5f543", "#5b9dff", "#d670d6", "#29b8db", "#ffffff"];
const DRAWING = "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·";
const FLAGS = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };
const ENDS = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"] };

// East Asian wide characters and emoji take two cells; marks that combine take none.
export function width(code) {
  if (code < 0x300) return 1;
  if ((code >= 0x300 && code <= 0x36f) || code === 0x200d || (code >= 0xfe00 && code <= 0xfe0f)) return 0;
  return (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) || (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) || (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1f300 && code <= 0x1faff) || (code >= 0x20000 && code <= 0x3fffd) ? 2 : 1;
}

function indexed(number) {
  if (number < 16) return COLORS[number];
  if (number > 231) return `#${(8 + (number - 232) * 10).toString(16).padStart(2, "0").repeat(3)}`;
  const cube = number - 16;
  const part = (value) => (value ? 55 + value * 40 : 0).toString(16).padStart(2, "0");
  return `#${part(Math.floor(cube / 36))}${part(Math.floor(cube / 6) % 6)}${part(cube % 6)}`;
}

export class Screen {
  constructor(columns, rows, reply = () => {}) {
    this.reply = reply;
    this.reset(columns, rows);
  }

  reset(columns = this.columns, rows = this.rows) {
    Object.assign(this, {
      columns, rows, x: 0, y: 0, style: PLAIN, saved: null, top: 0, bottom: rows - 1, history: [], wrapNext: false, pending: "",
      cursor: true, applicationKeys: false, bracketed: false, autoWrap: true, drawing: false, other: null, title: "",
    });
    this.cells = this.blankRows(rows);
  }

  blankRows(count) {
    return Array.from({ length: count }, () => this.blankRow());
  }

  blankRow() {
    return Array.from({ length: this.columns }, () => ({ text: " ", style: { ...PLAIN, bg: this.style.bg } }));
  }

  resize(columns, rows) {
    if (columns === this.columns && rows === this.rows) return;
    const fit = (row) => [...row.slice(0, columns), ...Array.from({ length: Math.max(0, columns - row.length) }, () => ({ text: " ", style: PLAIN }))];
    this.columns = columns;
    this.cells = this.cells.map(fit);
    while (this.cells.length > rows) {
      if (this.y < this.cells.length - 1) this.cells.pop();
      else this.history.push(this.cells.shift()), this.y--;
    }
    while (this.cells.length < rows) this.cells.push(this.blankRow());
    Object.assign(this, { rows, top: 0, bottom: rows - 1, x: Math.min(this.x, columns - 1), y: Math.min(Math.max(this.y, 0), rows - 1), wrapNext: false });
    if (this.other) this.other.cells = this.blankRows(rows);
  }

  // The rows of history and screen, each a list of runs {text, style}; the cursor is a run with `cursor`.
  lines() {
    return [...this.history, ...this.cells].map((row, index) => {
      const runs = [];
      row.forEach((cell, x) => {
        const here = this.cursor && index === this.history.length + this.y && x === this.x;
        const last = runs.at(-1);
        if (last && !here && !last.cursor && last.style === cell.style) last.text += cell.text;
        else runs.push({ text: cell.text || (here ? " " : ""), style: cell.style, cursor: here });
      });
      return runs;
    });
  }

  text() {
    return this.cells.map((row) => row.map((cell) => cell.text).join("").trimEnd()).join("\n").trimEnd();
  }

  write(data) {
    const text = this.pending + data;
    this.pending = "";
    let at = 0;
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (code === 0x1b) {
        const used = this.escape(text, at);
        if (!used) {
          this.pending = text.slice(at).slice(0, 4096); // the rest comes later
          return;
        }
        at += used;
      } else if (code < 0x20 || code === 0x7f) {
        this.control(code);
        at++;
      } else {
        const character = String.fromCodePoint(text.codePointAt(at));
        this.put(character);
        at += character.length;
      }
    }
  }

  control(code) {
    if (code === 13) this.x = 0;
    else if (code >= 10 && code <= 12) this.lineFeed();
    else if (code === 8) this.x = Math.max(0, this.x - 1);
    else if (code === 9) this.x = Math.min(this.columns - 1, (Math.floor(this.x / 8) + 1) * 8);
    else return;
    this.wrapNext = false;
  }

  put(character) {
    const wide = width(character.codePointAt(0));
    if (wide === 0) {
      const before = this.cells[this.y][Math.max(0, this.x - (this.wrapNext ? 0 : 1))];
      before.text += character;
      return;
    }
    if (this.wrapNext || this.x + wide > this.columns) {
      if (this.autoWrap) {
        this.x = 0;
        this.lineFeed();
      } else this.x = this.columns - wide;
      this.wrapNext = false;
    }
    const code = character.codePointAt(0);
    const shown = this.drawing && code >= 0x60 && code <= 0x7e ? DRAWING[code - 0x60] : character;
    this.cells[this.y][this.x] = { text: shown, style: this.style };
    if (wide === 2) this.cells[this.y][this.x + 1] = { text: "", style: this.style };
    this.x += wide;
    if (this.x >= this.columns) {
      this.x = this.columns - 1;
      this.wrapNext = true;
    }
  }

  lineFeed() {
    if (this.y === this.bottom) this.scroll(1);
    else this.y = Math.min(this.rows - 1, this.y + 1);
  }

  // Moves the lines of the scroll region up (count > 0) or down.
  scroll(count, from = this.top) {
    for (let left = Math.min(Math.abs(count), this.rows); left > 0; left--) {
      if (count > 0) {
        const [gone] = this.cells.splice(from, 1);
        if (from === 0 && this.bottom === this.rows - 1 && !this.other) this.history.push(gone);
        this.cells.splice(this.bottom, 0, this.blankRow());
      } else {
        this.cells.splice(this.bottom, 1);
        this.cells.splice(from, 0, this.blankRow());
      }
    }
    this.history.splice(0, Math.max(0, this.history.length - HISTORY));
  }

  // Carries out the escape at `at`; returns its length, or 0 if its end is missing.
  escape(text, at) {
    const kind = text[at + 1];
    if (kind === undefined) return 0;
    if (kind === "[") {
      const match = /^\x1b\[([<-?]?)([\d;:]*)([ -/]*)([@-~])/.exec(text.slice(at, at + 256));
      if (!match) return /^\x1b\[[<-?]?[\d;:]*[ -/]*$/.test(text.slice(at, at + 256)) ? 0 : 2;
      if (!match[3]) this.sequence(match[1], match[2], match[4]);
      return match[0].length;
    }
    if ("]PX^_".includes(kind)) {
      const match = /\x07|\x1b\\/.exec(text.slice(at + 2));
      if (!match) return text.length - at > 4096 ? 2 : 0;
      if (kind === "]") this.title = text.slice(at + 2, at + 2 + match.index).replace(/^[012];/, "");
      return 2 + match.index + match[0].length;
    }
    if ("()*+#%".includes(kind)) {
      if (text[at + 2] === undefined) return 0;
      if (kind === "(") this.drawing = text[at + 2] === "0";
      return 3;
    }
    this.short(kind);
    return 2;
  }

  short(kind) {
    if (kind === "7") this.saved = { x: this.x, y: this.y, style: this.style };
    else if (kind === "8") this.restore();
    else if (kind === "D") this.lineFeed();
    else if (kind === "E") this.x = 0, this.lineFeed();
    else if (kind === "M") this.y === this.top ? this.scroll(-1) : (this.y = Math.max(0, this.y - 1));
    else if (kind === "c") this.reset();
    this.wrapNext = false;
  }

  restore() {
    const { x = 0, y = 0, style = PLAIN } = this.saved ?? {};
    Object.assign(this, { x: Math.min(x, this.columns - 1), y: Math.min(y, this.rows - 1), style });
  }

  sequence(mark, digits, end) {
    const numbers = digits.split(/[;:]/).map(Number);
    const first = numbers[0] || 0, count = first || 1;
    if (mark) {
      if (mark === "?" && (end === "h" || end === "l")) numbers.forEach((number) => this.mode(number, end === "h"));
      else if (mark === ">" && end === "c") this.reply("\x1b[>0;276;0c");
      return;
    }
    if (end === "m") return void this.paint(numbers);
    const column = (value) => Math.max(0, Math.min(this.columns - 1, value));
    const row = (value) => Math.max(0, Math.min(this.rows - 1, value));
    this.wrapNext = false;
    switch (end) {
      case "A": this.y = Math.max(this.y >= this.top ? this.top : 0, this.y - count); break;
      case "B": case "e": this.y = Math.min(this.y <= this.bottom ? this.bottom : this.rows - 1, this.y + count); break;
      case "C": case "a": this.x = column(this.x + count); break;
      case "D": this.x = column(this.x - count); break;
      case "E": this.x = 0; this.y = row(this.y + count); break;
      case "F": this.x = 0; this.y = row(this.y - count); break;
      case "G": case "`": this.x = column(count - 1); break;
      case "d": this.y = row(count - 1); break;
      case "H": case "f": this.y = row(count - 1); this.x = column((numbers[1] || 1) - 1); break;
      case "J": this.eraseScreen(first); break;
      case "K": this.eraseLine(first); break;
      case "L": case "M":
        if (this.y >= this.top && this.y <= this.bottom) this.scroll(end === "M" ? count : -count, this.y);
        break;
      case "P": case "@": this.shift(end === "P" ? count : -count); break;
      case "X": this.blank(this.y, this.x, this.x + count); break;
      case "S": this.scroll(count); break;
      case "T": this.scroll(-count); break;
      case "r": this.region(count - 1, (numbers[1] || this.rows) - 1); break;
      case "s": this.short("7"); break;
      case "u": this.restore(); break;
      case "n": this.reply(first === 6 ? `\x1b[${this.y + 1};${this.x + 1}R` : "\x1b[0n"); break;
      case "c": this.reply("\x1b[?62;22c"); break;
      default: break; // not needed by the programs of a container
    }
  }

  region(top, bottom) {
    if (top >= bottom || bottom >= this.rows) return;
    Object.assign(this, { top, bottom, x: 0, y: 0 });
  }

  mode(number, on) {
    if (number === 25) this.cursor = on;
    else if (number === 1) this.applicationKeys = on;
    else if (number === 7) this.autoWrap = on;
    else if (number === 2004) this.bracketed = on;
    else if ([47, 1047, 1049].includes(number) && on !== Boolean(this.other)) this.swap(number);
  }

  // Enters or leaves the alternate screen, which has no history.
  swap(number) {
    if (this.other) {
      const { cells, saved } = this.other;
      Object.assign(this, { cells, saved, other: null, top: 0, bottom: this.rows - 1 });
      if (number === 1049) this.restore();
      return;
    }
    if (number === 1049) this.short("7");
    this.other = { cells: this.cells, saved: this.saved };
    this.cells = this.blankRows(this.rows);
  }

  blank(y, from, to) {
    for (let x = from; x < Math.min(to, this.columns); x++) this.cells[y][x] = { text: " ", style: { ...PLAIN, bg: this.style.bg } };
  }

  eraseLine(kind) {
    this.blank(this.y, kind === 0 ? this.x : 0, kind === 1 ? this.x + 1 : this.columns);
  }

  eraseScreen(kind) {
    if (kind === 3) return void (this.history = []);
    if (kind === 0 || kind === 1) this.eraseLine(kind);
    const [from, to] = kind === 0 ? [this.y + 1, this.rows] : [0, kind === 1 ? this.y : this.rows];
    for (let y = from; y < to; y++) this.blank(y, 0, this.columns);
  }

  // Deletes (count > 0) or inserts cells at the cursor.
  shift(count) {
    const row = this.cells[this.y];
    const blanks = Array.from({ length: Math.min(Math.abs(count), this.columns - this.x) }, () => ({ text: " ", style: PLAIN }));
    if (count > 0) row.splice(this.x, blanks.length), row.push(...blanks);
    else row.splice(this.x, 0, ...blanks), row.length = this.columns;
  }

  paint(numbers) {
    let { fg, bg } = this.style;
    const flags = new Set(this.style.flags.split(" ").filter(Boolean));
    for (let at = 0; at < numbers.length; at++) {
      const number = numbers[at];
      if (number === 0) fg = bg = "", flags.clear();
      else if (FLAGS[number]) flags.add(FLAGS[number]);
      else if (ENDS[number]) ENDS[number].forEach((flag) => flags.delete(flag));
      else if (number === 39) fg = "";
      else if (number === 49) bg = "";
      else if (number === 38 || number === 48) {
        const wide = numbers[at + 1] === 2;
        const color = wide
          ? `#${numbers.slice(at + 2, at + 5).map((part) => Math.min(part, 255).toString(16).padStart(2, "0")).join("")}`
          : indexed(Math.min(numbers[at + 2] ?? 0, 255));
        if (number === 38) fg = color;
        else bg = color;
        at += wide ? 4 : 2;
      } else if (number >= 30 && number <= 37) fg = COLORS[number - 30];
      else if (number >= 40 && number <= 47) bg = COLORS[number - 40];
      else if (number >= 90 && number <= 97) fg = COLORS[number - 82];
      else if (number >= 100 && number <= 107) bg = COLORS[number - 92];
    }
    this.style = { fg, bg, flags: [...flags].join(" ") };
  }
}
