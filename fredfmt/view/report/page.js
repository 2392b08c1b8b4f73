/* The page: the file that it carries in, what a person sees and does out. All text of the file goes in as text. */

const FIRST_TILES = 24;
const MORE_TILES = 120;
const FRAME_BUDGET = 12; // milliseconds of painting a frame
const LARGEST_SIZE = 512;
const PIXELS = ["identity", "downsample"]; // transforms whose "frequencies" are positions
const narrow = matchMedia("(max-width: 60rem)");

function carriedBytes() {
  const carried = find("file").textContent.trim();
  let text;
  try {
    text = atob(carried);
  } catch {
    throw new Refusal("FRED-400", "the file in the page is not valid base64");
  }
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

class Page {
  constructor(file, bytes) {
    this.file = file;
    const { meta, arrays } = file;
    this.shape = meta.spatial_shape;
    this.count = arrays.coefficients.shape[0];
    this.k = arrays.coefficients.shape[2];
    this.classes = meta.classes;
    this.soft = arrays.labels.shape.length === 2;
    this.size = this.shape;
    this.depth = this.shape.length === 3 ? this.shape[0] >> 1 : 0;
    this.channel = 0;
    this.instance = 0;
    this.rank = Math.min(1, this.k - 1);
    this.images = new Images(file);
    this.native = this.images;
    this.members = this.byClass();
    this.tiles = new Map();
    this.visible = new Set();
    this.waiting = new Set();
    this.energies = new Map();
    this.seen = new IntersectionObserver((changes) => this.noteSeen(changes), { rootMargin: "200px" });
    this.near = new IntersectionObserver((changes) => this.noteNear(changes), { rootMargin: "600px" });
    this.describe(bytes);
    this.setControls();
    this.layClasses();
    showFacts(file);
    this.choose(this.members.find((own) => own.length)[0]);
    this.show();
    narrow.addEventListener("change", () => this.placeAside());
    addEventListener("beforeprint", () => this.paintAll());
  }

  labelOf(instance) {
    const { array, shape } = this.file.arrays.labels;
    if (!this.soft) return array[instance];
    const row = array.subarray(instance * shape[1], (instance + 1) * shape[1]);
    return row.indexOf(row.reduce((most, share) => Math.max(most, share), 0));
  }

  byClass() {
    const members = this.classes.map(() => []);
    for (let i = 0; i < this.count; i++) members[this.labelOf(i)].push(i);
    return members;
  }

  /* ---- what stands still ---- */

  describe(bytes) {
    const { meta, digest } = this.file;
    const shape = [...(meta.channels > 1 ? [meta.channels] : []), ...this.shape].join(" × ");
    const stored = meta.quantization.step === undefined ? meta.quantization.mode : `step ${short(meta.quantization.step)}`;
    find("subtitle").textContent =
      `${plural(this.count, "instance")} of ${shape}, ${plural(this.classes.length, "class", "classes")}, ` +
      `${grouped(this.k)} of ${grouped(product(this.shape))} frequencies each, ${meta.transform}${meta.channel_transform ? ", also along the channels" : ""}, ${stored}${meta.whitening ? "; whitened images, with zero shown as mid grey" : ""}`;
    find("verdict").replaceChildren(
      element("strong", { textContent: "✓ Whole. " }),
      "All checksums and digests were verified in this page. ",
      element("code", { id: "digest", textContent: digest }),
    );
    const download = find("download");
    download.href = URL.createObjectURL(new Blob([bytes], { type: "application/vnd.fred" }));
    download.download = find("file").dataset.name;
    download.textContent = `Download (${kilobytes(bytes.length)})`;
    download.hidden = false;
    find("main").hidden = false;
  }

  /* ---- controls ---- */

  setControls() {
    const { meta } = this.file;
    const slider = (id, most, value, change) => {
      const input = find(id);
      Object.assign(input, { max: most, value });
      input.addEventListener("input", () => {
        change(input.valueAsNumber);
        this.show();
      });
    };
    slider("k", this.k, this.k, (value) => (this.shown = value));
    this.shown = this.k;
    const resizable = meta.transform === "dct";
    find("size").disabled = !resizable;
    find("size-note").hidden = resizable;
    if (PIXELS.includes(meta.transform)) find("mask-axes").textContent = "Each cell is a position in the image.";
    else if (this.shape.length === 1) find("mask-axes").textContent = "Coarse is at the left.";
    const reach = this.shape.length === 1 ? 4096 : LARGEST_SIZE;
    const tall = this.shape.length === 3 ? this.shape[1] : this.shape[0];
    slider("size", Math.max(tall, Math.min(4 * tall, reach)), tall, (value) => this.resize(value / tall));
    if (this.shape.length === 3) {
      find("depth").closest("label").hidden = false;
      slider("depth", this.shape[0] - 1, this.depth, (value) => (this.depth = value));
    }
    if (meta.channels !== 1 && meta.channels !== 3 && this.shape.length > 1) {
      find("channel").closest("label").hidden = false;
      for (let c = 0; c < meta.channels; c++) find("channel").append(new Option(String(c), String(c)));
    }
    find("channel").addEventListener("change", (event) => {
      this.channel = Number(event.target.value);
      this.show();
    });
    this.classes.forEach((name, label) => find("class").append(new Option(name, String(label))));
    find("class").addEventListener("change", (event) => {
      for (const section of this.sections()) {
        section.hidden = event.target.value !== "" && section.dataset.label !== event.target.value;
      }
      this.say();
    });
    find("controls").addEventListener("submit", (event) => event.preventDefault());
    const instance = find("instance");
    instance.max = this.count - 1;
    instance.addEventListener("change", () => {
      const wanted = Math.round(instance.valueAsNumber);
      if (wanted >= 0 && wanted < this.count) this.choose(wanted, instance);
      else instance.value = this.instance;
    });
    find("previous").addEventListener("click", ({ target }) => this.choose(this.instance - 1, target));
    find("next").addEventListener("click", ({ target }) => this.choose(this.instance + 1, target));
    this.listenToMask();
  }

  resize(scale) {
    this.size = this.shape.map((length) => Math.max(1, Math.round(length * scale)));
    this.images = new Images(this.file, this.size);
    this.setTiles(Math.max(1, scale));
    document.documentElement.dataset.enlarged = String(scale > 1);
    if (this.shape.length === 3) {
      find("depth").max = this.size[0] - 1;
      this.depth = find("depth").valueAsNumber;
    }
  }

  /* Everything that depends on the controls, drawn again. */
  show() {
    const texts = {
      k: `${grouped(this.shown)} of ${grouped(this.k)}`,
      size: this.size.join(" × "),
      depth: `${this.depth + 1} of ${this.size[0]}`,
    };
    for (const [id, text] of Object.entries(texts)) {
      find(`${id}-value`).textContent = text;
      find(id).setAttribute("aria-valuetext", text);
    }
    for (const tile of this.visible) this.waiting.add(tile);
    this.showChosen();
    this.wake();
    this.say();
  }

  /* Tells a screen reader, once the control rests. */
  say() {
    const chosen = find("class").selectedOptions[0].textContent;
    const used = plural(this.shown, "frequency", "frequencies");
    this.tell(`${used} of ${this.k}, ${this.size.join(" by ")} pixels, class ${chosen}`);
  }

  tell(text) {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => (find("status").textContent = text), 500);
  }

  /* ---- the sheet ---- */

  sections() {
    return find("sheet").querySelectorAll(".class");
  }

  layClasses() {
    document.documentElement.dataset.axes = this.shape.length;
    this.setTiles(1);
    this.classes.forEach((name, label) => {
      const own = this.members[label];
      if (!own.length && this.classes.length > 50) return;
      const title = element("h3", { id: `class-${label}`, textContent: name, dir: "auto" });
      const about = element("div", { className: "about" },
        element("div", {}, title, element("p", { className: "quiet", textContent: plural(own.length, "instance") })),
      ); // prettier-ignore
      const list = element("ul", { className: "tiles" });
      list.addEventListener("keydown", (event) => this.moveAmongTiles(event, list));
      list.setAttribute("aria-labelledby", title.id);
      const section = element("div", { className: "class" }, about, list);
      section.dataset.label = label;
      if (own.length) {
        const small = element("canvas", { width: 64, height: 64 });
        small.setAttribute("aria-hidden", "true");
        about.append(small);
        this.near.observe(section);
      }
      find("sheet").append(section);
    });
  }

  /* How large instances are on the screen, `times` as large as in the beginning. */
  setTiles(times) {
    const { height, width } = this.native;
    const longest = Math.max(height, width);
    const scale = longest < 60 ? Math.round(60 / longest) : Math.min(1, 144 / longest); // an integer: pixels as equal squares
    const sides = this.shape.length === 1 ? [128, 64] : [width * scale, height * scale];
    this.tile = sides.map((side) => Math.round(side * times));
    const { style } = document.documentElement;
    style.setProperty("--tile-width", `${this.tile[0]}px`);
    style.setProperty("--tile-height", `${this.tile[1]}px`);
  }

  noteNear(changes) {
    for (const { target, isIntersecting } of changes) {
      if (!isIntersecting) continue;
      this.near.unobserve(target);
      this.fill(target);
    }
  }

  fill(section) {
    const own = this.members[section.dataset.label];
    if (!own.length || section.querySelector(".tile")) return;
    this.drawMask(section.querySelector(".about canvas"), own[0], { room: 64 });
    this.addTiles(section, FIRST_TILES);
  }

  addTiles(section, count) {
    const list = section.querySelector(".tiles");
    const own = this.members[section.dataset.label];
    const first = list.childElementCount;
    const added = own.slice(first, first + count);
    for (const instance of added) {
      const canvas = element("canvas");
      canvas.setAttribute("aria-hidden", "true");
      const tile = element("button", { type: "button", className: "tile", tabIndex: list.childElementCount ? -1 : 0 }, canvas);
      tile.setAttribute("aria-label", `${this.classes[section.dataset.label]}, instance ${instance}`);
      tile.setAttribute("aria-pressed", String(instance === this.instance));
      tile.dataset.instance = instance;
      tile.addEventListener("click", () => this.choose(instance, tile));
      list.append(element("li", {}, tile));
      this.tiles.set(instance, tile);
      this.seen.observe(tile);
    }
    section.querySelector(".more")?.remove();
    const left = own.length - first - added.length;
    if (left > 0) {
      const more = element("button", { type: "button", className: "more" });
      more.textContent = left > MORE_TILES ? `Show ${MORE_TILES} more, of ${grouped(left)}` : left > 1 ? `Show the other ${grouped(left)} instances` : "Show the other instance";
      more.addEventListener("click", () => {
        this.addTiles(section, MORE_TILES);
        this.focusTile(this.tiles.get(own[first + added.length]));
      });
      section.append(more);
    }
  }

  noteSeen(changes) {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) {
        this.visible.add(target);
        this.waiting.add(target);
      } else {
        this.visible.delete(target);
        this.waiting.delete(target);
      }
    }
    this.wake();
  }

  wake() {
    if (this.frame === undefined && this.waiting.size) this.frame = requestAnimationFrame(() => this.paintSome());
  }

  paintSome() {
    this.frame = undefined;
    const end = performance.now() + FRAME_BUDGET;
    for (const tile of this.waiting) {
      this.paintTile(tile);
      if (performance.now() > end) break;
    }
    this.wake();
  }

  paintTile(tile) {
    this.waiting.delete(tile);
    this.paint(tile.firstChild, Number(tile.dataset.instance), this.tile[0]);
    tile.dataset.drawn = `${this.shown} ${this.size.join(" ")}`;
  }

  /* All that was laid so far, for paper: what is not on the screen would be left blank. */
  paintAll() {
    for (const section of this.sections()) this.fill(section);
    for (const tile of this.tiles.values()) this.paintTile(tile);
  }

  /* An instance into a canvas that is `room` wide on the screen. */
  paint(canvas, instance, room) {
    const depth = Math.min(this.depth, this.images.depth - 1);
    const image = this.images.toUnit(this.images.image(instance, this.shown, depth));
    if (this.shape.length === 1) drawLines(canvas, image, this.images.width, [0, 1]);
    else {
      showPixelsIn(canvas, this.images.width, room);
      const { height, width, channels } = this.images;
      const at = channels === 3 ? [0, 1, 2] : [this.channel, this.channel, this.channel];
      drawPixels(canvas, height, width, (i, colour) => 255 * image[at[colour] * height * width + i]);
    }
  }

  moveAmongTiles(event, list) {
    const tiles = [...list.querySelectorAll(".tile")];
    const at = tiles.indexOf(event.target);
    const columns = Math.max(1, tiles.findIndex((tile) => tile.offsetTop > tiles[0].offsetTop));
    const across = tiles.at(-1).offsetTop === tiles[0].offsetTop ? tiles.length : columns;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + across, ArrowUp: at - across, Home: 0, End: tiles.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    if (tiles[to]) this.focusTile(tiles[to]);
  }

  focusTile(tile) {
    for (const other of tile.closest(".tiles").querySelectorAll(".tile")) other.tabIndex = other === tile ? 0 : -1;
    tile.focus();
  }

  /* ---- the chosen instance ---- */

  /* Shows an instance; `touched` is what the person chose it with. */
  choose(instance, touched) {
    this.tiles.get(this.instance)?.setAttribute("aria-pressed", "false");
    this.instance = instance;
    this.tiles.get(instance)?.setAttribute("aria-pressed", "true");
    find("instance").value = instance;
    find("previous").disabled = instance === 0;
    find("next").disabled = instance === this.count - 1;
    this.showChosen();
    this.placeAside(touched);
    if (touched?.className === "tile") {
      this.focusTile(touched);
      if (narrow.matches) this.bringUp(touched);
    }
    if (touched) this.tell(find("chosen-name").textContent);
  }

  /* Beside the sheet, or on a narrow screen under the class of the chosen instance: what was touched stays in its place. */
  placeAside(touched = find("columns")) {
    const aside = find("about-chosen");
    const own = [...this.sections()].find(({ dataset }) => Number(dataset.label) === this.labelOf(this.instance));
    const before = narrow.matches ? own : find("columns").lastElementChild;
    if (aside === before || aside.previousElementSibling === before) return;
    const focused = document.activeElement;
    const { top } = touched.getBoundingClientRect();
    before.after(aside);
    scrollBy(0, touched.getBoundingClientRect().top - top);
    if (aside.contains(focused)) focused.focus({ preventScroll: true });
  }

  /* Scrolls to the chosen image below, as far as the tile stays in sight. */
  bringUp(tile) {
    const [own, pair, controls] = [tile, find("pair"), find("controls")].map((part) => part.getBoundingClientRect());
    scrollBy(0, Math.max(0, Math.min(pair.bottom - innerHeight, own.top - controls.bottom - 8)));
  }

  showChosen() {
    const label = this.labelOf(this.instance);
    const mask = this.images.maskOf(this.instance);
    const name = element("bdi", { textContent: this.classes[label] });
    find("chosen-name").replaceChildren(name, `, instance ${this.instance}`);
    const masks = this.file.arrays.frequencies.shape[0];
    find("mask-name").textContent = masks === 1 ? "Mask" : `Mask ${mask}, one of ${grouped(masks)}`;
    const used = plural(this.shown, "frequency", "frequencies");
    find("chosen-caption").textContent = `${this.shown === this.k ? "All" : "The first"} ${used}`;
    this.paint(find("chosen"), this.instance, find("chosen").clientWidth);
    this.showShares();
    this.showFrequency();
  }

  showShares() {
    find("shares").hidden = !this.soft;
    if (!this.soft) return;
    const { array, shape } = this.file.arrays.labels;
    const row = [...array.subarray(this.instance * shape[1], (this.instance + 1) * shape[1])];
    const first = row.map((share, label) => ({ share, label })).sort((a, b) => b.share - a.share).slice(0, 5);
    find("shares").tBodies[0].replaceChildren(
      ...first.map(({ share, label }) =>
        element("tr", {},
          element("th", { scope: "row", textContent: this.classes[label], dir: "auto" }),
          element("td", { textContent: `${(100 * share).toFixed(1)} %` }),
        ),
      ),
    ); // prettier-ignore
  }

  /* Root mean square of the coefficients of a mask's instances, one a kept frequency. */
  energyOf(mask) {
    if (!this.energies.has(mask)) {
      const sums = new Float64Array(this.k);
      let instances = 0;
      for (let i = 0; i < this.count && instances < 500; i++) {
        if (this.images.maskOf(i) !== mask) continue;
        instances++;
        for (let c = 0; c < this.images.channels; c++) {
          for (let j = 0; j < this.k; j++) sums[j] += this.images.value(i, c, j) ** 2;
        }
      }
      this.energies.set(mask, sums.map((sum) => Math.sqrt(sum / Math.max(1, instances * this.images.channels))));
    }
    return this.energies.get(mask);
  }

  /* A mask as cells, as many pixels of the screen each as `room` has: filled by energy where used, a small dot where kept
     but beyond k, empty where left out. */
  drawMask(canvas, instance, { room, chosen }) {
    const mask = this.images.maskOf(instance);
    const { rows, columns } = this.native;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const energy = this.energyOf(mask);
    const most = Math.log1p(energy.reduce((a, b) => Math.max(a, b), 1e-12));
    const plane = chosen === undefined ? 0 : this.native.position(mask, chosen)[0];
    const wide = Math.max(1, Math.floor((room * devicePixelRatio) / Math.max(rows, columns)));
    const tall = this.shape.length > 1 ? wide : Math.round(devicePixelRatio * (chosen === undefined ? 12 : 32));
    const gap = wide >= 6 ? Math.round(devicePixelRatio) : 0;
    Object.assign(canvas, { width: columns * wide, height: rows * tall });
    const shown = Math.min(canvas.width / devicePixelRatio, 1.3 * room);
    canvas.style.width = `${shown}px`;
    if (this.shape.length === 1) canvas.style.height = `${canvas.height / devicePixelRatio}px`;
    canvas.classList.toggle("smooth", canvas.width > shown * devicePixelRatio);
    const pen = canvas.getContext("2d");
    pen.fillStyle = colour("--cell");
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = colour("--accent");
    for (let j = 0; j < this.k; j++) {
      const [deep, row, column] = this.native.position(mask, j);
      if (deep !== plane) continue;
      const used = chosen === undefined || j < this.shown;
      pen.globalAlpha = used ? 0.25 + 0.75 * (Math.log1p(energy[j]) / most) : 0.8;
      const inset = used ? 0 : Math.floor(wide * 0.36);
      pen.fillRect(column * wide + inset, row * tall + inset, wide - gap - 2 * inset, tall - gap - 2 * inset);
    }
    pen.globalAlpha = 1;
    if (chosen !== undefined) {
      const [, row, column] = this.native.position(mask, chosen);
      pen.strokeStyle = colour("--ink");
      pen.lineWidth = Math.max(devicePixelRatio, Math.min(wide, tall) / 5);
      const out = pen.lineWidth / 2;
      pen.strokeRect(column * wide - out, row * tall - out, wide - gap + 2 * out, tall - gap + 2 * out);
    }
  }

  /* What channels are called: R, G and B of colour images, else their numbers; a single one needs no name. */
  channelNames() {
    const { channels } = this.images;
    if (channels === 1) return [""];
    if (channels === 3 && this.shape.length > 1) return ["R", "G", "B"];
    return Array.from({ length: channels }, (_, channel) => `channel ${channel}:`);
  }

  showFrequency() {
    const mask = this.images.maskOf(this.instance);
    const canvas = find("mask");
    this.drawMask(canvas, this.instance, { room: Math.min(256, find("pair").clientWidth), chosen: this.rank });
    const pattern = this.native.basis(mask, this.rank, Math.min(this.depth, this.native.depth - 1));
    const most = pattern.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-12);
    const basis = find("basis");
    const { height, width } = this.native;
    if (this.shape.length === 1) drawLines(basis, pattern, width, [-most, most]);
    else {
      showPixelsIn(basis, width, basis.clientWidth);
      drawPixels(basis, height, width, (i) => 127.5 + (127.5 * pattern[i]) / most);
    }
    const place = this.native.position(mask, this.rank).slice(-this.shape.length);
    const index = this.file.arrays.frequencies.array[mask * this.k + this.rank];
    const own = Array.from({ length: this.images.channels }, (_, c) => this.images.value(this.instance, c, this.rank));
    const unused = this.rank < this.shown ? "" : ", not used at this number of frequencies";
    const name = `Frequency (${place.join(", ")}), ${grouped(this.rank + 1)} of ${grouped(this.k)}`;
    const names = this.channelNames();
    const texts = own.map((value, channel) => `${names[channel]} ${short(value)}`.trim()).join(", ");
    const about =
      `${own.length > 1 ? "Coefficients" : "Coefficient"} ${texts}; root mean square ${short(this.energyOf(mask)[this.rank])} in the class; flat index ${index}${unused}`;
    find("frequency-name").textContent = name;
    find("frequency-about").textContent = about;
    canvas.setAttribute("aria-valuemax", this.k);
    canvas.setAttribute("aria-valuenow", this.rank + 1);
    canvas.setAttribute("aria-valuetext", `${name}. ${about}`);
  }

  listenToMask() {
    const canvas = find("mask");
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      const row = ((event.clientY - box.top) / box.height) * this.native.rows;
      const column = ((event.clientX - box.left) / box.width) * this.native.columns;
      this.pick(row - 0.5, column - 0.5, () => true);
    };
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("keydown", (event) => {
      const order = { PageUp: this.rank - 1, PageDown: this.rank + 1, Home: 0, End: this.k - 1 }[event.key];
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (order === undefined && !step) return;
      event.preventDefault();
      if (order !== undefined) this.setRank(Math.max(0, Math.min(this.k - 1, order)));
      else {
        const [, row, column] = this.native.position(this.images.maskOf(this.instance), this.rank);
        const ahead = (y, x) => (y - row) * step[0] + (x - column) * step[1] > 0;
        this.pick(row + step[0], column + step[1], ahead);
      }
    });
  }

  /* Sets the kept frequency nearest to a place of the shown plane, among those that pass. */
  pick(row, column, passes) {
    const mask = this.images.maskOf(this.instance);
    const [plane] = this.native.position(mask, this.rank);
    let best = -1;
    let least = Infinity;
    for (let j = 0; j < this.k; j++) {
      const [deep, y, x] = this.native.position(mask, j);
      const distance = (y - row) ** 2 + (x - column) ** 2;
      if (deep === plane && distance < least && passes(y, x)) [best, least] = [j, distance];
    }
    if (best >= 0) this.setRank(best);
  }

  setRank(rank) {
    if (rank === this.rank) return;
    this.rank = rank;
    this.showFrequency();
  }

  /* Colours of canvases follow the theme. */
  recolour() {
    for (const section of this.sections()) {
      const small = section.querySelector(".about canvas");
      if (section.querySelector(".tile")) this.drawMask(small, this.members[section.dataset.label][0], { room: 64 });
    }
    this.show();
  }
}

function listenToTheme(recolour) {
  const themes = ["system", "light", "dark"];
  let chosen = 0;
  find("theme").addEventListener("click", () => {
    chosen = (chosen + 1) % themes.length;
    if (chosen) document.documentElement.dataset.theme = themes[chosen];
    else delete document.documentElement.dataset.theme;
    find("theme").textContent = `Theme: ${themes[chosen]}`;
    recolour();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
}

function refuse(text) {
  find("first").remove();
  const verdict = find("verdict");
  verdict.className = "refused";
  verdict.setAttribute("role", "alert");
  verdict.replaceChildren(element("strong", { textContent: "✗ Refused. " }), text);
  document.documentElement.dataset.state = "refused";
}

(async () => {
  let page;
  listenToTheme(() => page?.recolour());
  if (!document.hidden) await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
  try {
    const bytes = carriedBytes();
    page = new Page(await readFred(bytes), bytes);
    find("first").remove();
    document.documentElement.dataset.state = "ready";
  } catch (error) {
    if (error instanceof Refusal) {
      refuse(
        `The file in this page is damaged or does not follow the format: ${error.message}. ` +
          "Nothing of it is shown. Get the page again from its source.",
      );
      return;
    }
    refuse(`The file in this page cannot be decoded: ${error.message}`);
    throw error;
  }
})();
