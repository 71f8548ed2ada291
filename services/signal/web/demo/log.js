// The log on the page: timestamped lines, newest last, bounded.

const LIMIT = 500;

export class Log {
  #list;

  constructor(list) {
    this.#list = list;
  }

  add(text, kind = 'info') {
    const line = document.createElement('li');
    const time = document.createElement('time');
    const stamp = clock(new Date());
    time.textContent = stamp;
    const words = document.createElement('span');
    words.textContent = text;
    line.dataset.kind = kind;
    line.append(time, ' ', words);
    const list = this.#list;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
    list.append(line);
    while (list.children.length > LIMIT) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  text() {
    return [...this.#list.children].map((line) => line.textContent).join('\n');
  }
}

function clock(date) {
  const two = (number) => String(number).padStart(2, '0');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}
