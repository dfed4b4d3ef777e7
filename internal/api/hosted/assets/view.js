// The parts of a page: sections of which one shows, named texts, and forms.

import { say } from "./say.js";

const main = document.querySelector("main");
const status = document.getElementById("status");

export function section(name) {
  return main.querySelector(`[data-state="${name}"]`);
}

// Shows one section and, unless it is the first, moves the focus to its heading,
// so that keyboard and screen reader follow.
export function show(name, { quiet = false } = {}) {
  for (const each of main.querySelectorAll("[data-state]")) each.hidden = each.dataset.state !== name;
  const heading = section(name).querySelector("h1");
  if (!heading) return;
  document.title = heading.textContent.trim().replace(/\s+/g, " ") + " · Canopy";
  if (!quiet) heading.focus();
}

export function fill(root, texts) {
  for (const each of root.querySelectorAll("[data-text]")) {
    if (each.dataset.text in texts) each.textContent = texts[each.dataset.text] ?? "";
  }
}

export function announce(text) {
  status.textContent = text;
}

export function notice(root, text, { focus = true } = {}) {
  const place = root.querySelector(".notice");
  place.textContent = text;
  if (text && focus) place.focus();
}

export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Runs work with the button off; a second press meanwhile does nothing.
export async function busy(button, work) {
  if (button.disabled) return;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

const rules = {
  length: (s) => [...s].length >= 8 && [...s].length <= 128,
  moderate: (s) => [...s].length >= 8 && [...s].length <= 64,
  upper: (s) => /\p{Lu}/u.test(s),
  lower: (s) => /\p{Ll}/u.test(s),
  digit: (s) => /\p{Nd}/u.test(s),
  special: (s) => /[^\p{L}\p{Nd}\p{Cc}]/u.test(s),
};

const asks = {
  email: "Enter an e-mail address.",
  password: "Enter a password.",
  first_name: "Enter a first name.",
  last_name: "Enter a last name.",
  account_name: "Enter the name of your company.",
  application_name: "Enter a name for your first application.",
};

// A form whose submit(values) returns the answer of a call. Problems with the
// entries stand beside their fields, everything else above the form; entries
// stay as they are. submit returns null when it has dealt with the answer.
export class Form {
  constructor(form, submit) {
    this.form = form;
    this.submit = submit;
    this.button = form.querySelector('button[type="submit"]');
    this.inputs = [...form.querySelectorAll("input")];
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    for (const input of this.inputs) {
      input.addEventListener("input", () => this.mark(input, ""));
      this.watchRules(input);
    }
    for (const button of form.querySelectorAll(".reveal")) this.watchReveal(button);
  }

  get values() {
    return Object.fromEntries(this.inputs.map((input) => [input.name, input.value]));
  }

  input(name) {
    return this.inputs.find((input) => input.name === name);
  }

  set(name, value) {
    const input = this.input(name);
    input.value = value ?? "";
    input.dispatchEvent(new Event("input"));
  }

  clear() {
    notice(this.form, "");
    for (const input of this.inputs) this.set(input.name, "");
    for (const button of this.form.querySelectorAll(".reveal[aria-pressed=true]")) button.click();
  }

  mark(input, problem) {
    const place = document.getElementById(input.id + "-error");
    if (place.textContent !== problem) place.textContent = problem;
    if (problem) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  // Puts a problem beside a field and the focus into it.
  refuse(name, problem) {
    const input = this.input(name);
    this.mark(input, problem);
    input.focus();
  }

  complete() {
    const bad = [];
    for (const input of this.inputs) {
      const problem = this.problem(input);
      this.mark(input, problem);
      if (problem) bad.push(input);
    }
    bad[0]?.focus();
    return bad.length === 0;
  }

  problem(input) {
    if (input.readOnly) return "";
    const empty = input.type === "password" || input.autocomplete.endsWith("password") ? input.value === "" : input.value.trim() === "";
    if (empty) return asks[input.name];
    if (this.rulesOf(input).some((item) => !rules[item.dataset.rule](input.value.normalize("NFC")))) {
      return "This password does not meet all the rules above.";
    }
    return "";
  }

  async run() {
    if (this.button.disabled) return;
    notice(this.form, "");
    announce("");
    if (!this.complete()) return;
    let answer = null;
    await busy(this.button, async () => {
      answer = await this.submit(this.values);
    });
    if (answer) this.explain(answer);
  }

  // Sorts an answer's problems to their fields, by the name each begins with.
  explain(answer) {
    const rest = [];
    let first = null;
    for (const detail of answer.details) {
      const name = detail.split(" ", 1)[0];
      const input = this.input(name);
      if (!input || input.readOnly) {
        rest.push(detail);
        continue;
      }
      const label = document.querySelector(`label[for="${input.id}"]`).textContent;
      this.mark(input, label + detail.slice(name.length) + ".");
      first ??= input;
    }
    if (rest.length > 0) notice(this.form, rest.join(". ") + ".", { focus: !first });
    else if (!first) notice(this.form, say(answer));
    first?.focus();
  }

  // The rules that a page lists for a new password.
  rulesOf(input) {
    return [...(document.getElementById(input.id + "-rules")?.children ?? [])];
  }

  watchRules(input) {
    const list = this.rulesOf(input);
    const check = () => {
      const password = input.value.normalize("NFC");
      for (const item of list) {
        item.classList.toggle("met", password !== "" && rules[item.dataset.rule](password));
      }
    };
    input.addEventListener("input", check);
  }

  watchReveal(button) {
    const input = document.getElementById(button.getAttribute("aria-controls"));
    button.addEventListener("click", () => {
      const shown = input.type === "text";
      input.type = shown ? "password" : "text";
      button.textContent = shown ? "Show" : "Hide";
      button.setAttribute("aria-pressed", String(!shown));
    });
  }
}
