// Pieces of the page built from data. Other people's words enter as text only.

import { cordOf } from './names.js';

const SVG = 'http://www.w3.org/2000/svg';

/** An element with properties, data-* and children. */
export function el(tag, { data = {}, attrs = {}, ...props } = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  Object.assign(node.dataset, data);
  for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Change text only when it differs, so screen readers hear changes alone. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

const letterOf = (name) => [...name][0]?.toUpperCase() ?? '';

/** The round socket that stands for a person. */
export function jack(id, name) {
  return el('span', { className: 'jack', textContent: letterOf(name), data: { cord: cordOf(id) }, attrs: { 'aria-hidden': 'true' } });
}

/** `describe` gives it its title, which holds a name, and names change. */
function button(action, iconName, label, className = 'small') {
  return el('button', { type: 'button', className, data: { action } }, icon(iconName), el('span', { textContent: label }));
}

/** What a button does in full, for the pointer that rests on it and for screen readers. */
function describe(node, title) {
  if (node.title === title) return;
  node.title = title;
  node.setAttribute('aria-label', title);
}

/** The first button that can be pressed: for when the pressed one has gone. */
export function focusFirst(node) {
  node.querySelector('button:not([hidden])')?.focus({ preventScroll: true });
}

// --- who is here ---

export function peerItem(peer) {
  const name = el('span', { className: 'name' });
  const state = el('span', { className: 'peer-state' });
  const item = el('li', { className: 'peer', data: { peer: peer.id } },
    jack(peer.id, peer.name),
    el('div', { className: 'who' }, name, state),
    el('div', { className: 'actions' },
      button('call-video', 'camera', 'Camera'),
      button('call-data', 'data', 'Data only'),
      button('hangup', 'hangup', 'Hang up')));
  updatePeerItem(item, peer, null);
  return item;
}

export function updatePeerItem(item, peer, call) {
  item.dataset.name = peer.name;
  const name = item.querySelector('.name');
  say(name, peer.name);
  name.title = peer.name;
  say(item.querySelector('.jack'), letterOf(peer.name));
  const ringing = call?.state === 'ringing'; // to call somebody who is calling is to answer
  const busy = Boolean(call?.live) && !ringing;
  item.dataset.state = call?.live ? call.state : 'free';
  say(item.querySelector('.peer-state'), peerState(peer, call));
  for (const node of item.querySelectorAll('button')) {
    const hangup = node.dataset.action === 'hangup';
    node.hidden = hangup !== busy;
    node.disabled = !hangup && !peer.callable;
    describe(node, node.disabled
      ? 'This page speaks another dialect and cannot be called from here'
      : peerAction(node.dataset.action, peer.name, ringing));
  }
}

function peerAction(action, name, ringing) {
  if (action === 'hangup') return `Hang up on ${name}`;
  const verb = ringing ? 'Answer' : 'Call';
  return action === 'call-video' ? `${verb} ${name} with camera` : `${verb} ${name}, data only`;
}

function peerState(peer, call) {
  if (peer.away) return 'On the line, lost the server';
  const kind = call?.media === 'video' ? 'camera' : 'data';
  const words = { ringing: 'Calls you', calling: 'Calling', connecting: 'Connecting', connected: 'On the line' };
  if (call?.live) return `${words[call.state]}, ${kind}`;
  return peer.callable ? 'Here' : 'Here, cannot be called';
}

// --- calls ---

export function callCard(call, selfId, selfName) {
  const card = el('article', {
    className: 'call', data: { call: call.peerId, media: call.media, picture: 'off' },
  },
  screen(call),
  el('div', { className: 'call-bar' },
    el('div', { className: 'call-who' },
      el('h3'), el('p', { className: 'call-state', attrs: { role: 'status' } })),
    button('end-call', 'hangup', 'Hang up')),
  el('div', { className: 'trunk', attrs: { 'aria-hidden': 'true' } },
    jack(selfId, selfName), el('span', { className: 'wire' }), el('span', { className: 'relay' }),
    el('span', { className: 'wire' }), peerJack(call)),
  el('dl', { className: 'figures' },
    el('div', {}, el('dt', { textContent: 'Path' }), el('dd', { className: 'pair' })),
    el('div', {}, el('dt', { textContent: 'Data channel' }), el('dd', { className: 'channel' }))),
  el('p', { className: 'note', hidden: true, attrs: { role: 'status' } }),
  el('div', { className: 'choices' },
    button('answer-video', 'camera', 'Answer with camera', 'primary'),
    button('answer-data', 'data', 'Answer', ''),
    button('decline', 'hangup', 'Decline', 'danger'),
    button('send-video', 'camera', 'Send my camera')));
  updateCallCard(card, call);
  return card;
}

function peerJack(call) {
  const node = jack(call.peerId, call.peerName);
  node.dataset.peer = '';
  return node;
}

function screen(call) {
  const video = (kind) => el('video', {
    autoplay: true, playsInline: true, muted: kind === 'local', data: { [kind]: '' },
  });
  const local = video('local');
  local.setAttribute('aria-label', 'Your camera');
  local.hidden = true;
  const remote = video('remote');
  // A size means frames: Chromium may leave track.muted set while pictures flow.
  remote.addEventListener('resize', () => {
    const card = remote.closest('.call');
    if (remote.srcObject) card.dataset.picture = remote.videoWidth ? 'on' : 'off';
  });
  const unmute = el('button', { type: 'button', className: 'small unmute', hidden: true, textContent: 'Play sound', data: { action: 'unmute' } });
  return el('div', { className: 'screen' }, remote,
    el('div', { className: 'no-picture' }, peerJack(call),
      el('p', { className: 'no-picture-text' })), local, unmute);
}

export function updateCallCard(card, call) {
  card.dataset.state = call.state;
  card.dataset.media = call.media;
  if (call.pair) card.dataset.kind = call.pair.kind;
  nameCard(card, call.peerName);
  say(card.querySelector('.call-state'), call.detail);
  const pair = card.querySelector('.pair');
  say(pair, call.pair?.text ?? 'none yet');
  pair.dataset.kind = call.pair?.kind ?? '';
  say(card.querySelector('.channel'), call.channelRtt ?? 'closed');
  say(card.querySelector('.no-picture-text'), call.state === 'connected' ? 'No picture from the other side' : '');
  updateButtons(card, call);
  if (!call.live) clearScreen(card);
}

function nameCard(card, name) {
  card.setAttribute('aria-label', `Call with ${name}`);
  const title = card.querySelector('h3');
  say(title, name);
  title.title = name;
  card.querySelector('[data-remote]').setAttribute('aria-label', `Camera of ${name}`);
  for (const node of card.querySelectorAll('.jack[data-peer]')) say(node, letterOf(name));
}

/** Each state has its own: what cannot be done now is not shown. */
function updateButtons(card, call) {
  const { peerName: name, state } = call;
  const ringing = state === 'ringing';
  const video = call.media === 'video';
  const show = (action, shown, label, title) => {
    const node = card.querySelector(`[data-action="${action}"]`);
    node.hidden = !shown;
    say(node.querySelector('span'), label);
    describe(node, title);
  };
  show('answer-video', ringing && video, 'Answer with camera', `Answer ${name} with camera`);
  show('answer-data', ringing, video ? 'Answer without' : 'Answer', video ? `Answer ${name} without camera` : `Answer ${name}`);
  card.querySelector('[data-action="answer-data"]').classList.toggle('primary', !video);
  show('decline', ringing, 'Decline', `Decline the call from ${name}`);
  show('send-video', call.up && !call.sending, 'Send my camera', `Send my camera to ${name}`);
  if (call.live) show('end-call', !ringing, 'Hang up', `Hang up on ${name}`);
  else show('end-call', true, 'Dismiss', `Dismiss the call with ${name}`);
}

/**
 * Brings a ringing card to somebody who is not typing. The focus goes to the answer
 * that opens no camera, so that a key pressed by chance shows nothing to anybody.
 */
export function drawAttention(card) {
  const busy = document.activeElement;
  if (busy?.matches('input, textarea') || busy?.closest('[data-state="ringing"]')) return;
  card.scrollIntoView({ block: 'nearest' });
  card.querySelector('[data-action="answer-data"]').focus({ preventScroll: true });
}

export function showNote(card, text) {
  const note = card.querySelector('.note');
  note.hidden = !text;
  say(note, text);
}

export function showLocal(card, stream) {
  const local = card.querySelector('[data-local]');
  local.srcObject = stream;
  local.muted = true;
  local.hidden = !stream?.getVideoTracks().length;
}

/** Put a track of the other side on the card's screen. */
export function showTrack(card, track) {
  const remote = card.querySelector('[data-remote]');
  remote.srcObject ??= new MediaStream();
  const stream = remote.srcObject;
  stream.getTracks().filter((old) => old.kind === track.kind && old !== track).forEach((old) => stream.removeTrack(old));
  stream.addTrack(track);
  remote.play().catch((error) => {
    if (error.name !== 'NotAllowedError') return;
    remote.muted = true; // a page nobody touched may play pictures, not sound
    remote.play().catch(() => {});
    card.querySelector('.unmute').hidden = false;
  });
}

export function unmute(card) {
  card.querySelector('[data-remote]').muted = false;
  card.querySelector('.unmute').hidden = true;
}

function clearScreen(card) {
  card.dataset.picture = 'off';
  card.querySelector('[data-remote]').srcObject = null;
  card.querySelector('.unmute').hidden = true;
  showLocal(card, null);
}

// --- chat ---

export function chatItem({ id, name, text, own }) {
  const time = new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return el('li', { className: own ? 'own' : '', data: { cord: cordOf(id) } },
    el('p', { className: 'from' }, el('span', { className: 'name', textContent: name, title: name }), el('time', { textContent: time })),
    el('p', { className: 'text', textContent: text }));
}
