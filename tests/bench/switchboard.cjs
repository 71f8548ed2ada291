// rtc-switchboard as its own server.js sets it up, on a free port that is printed.
'use strict';

// rtc-core reads `navigator`; see tests/README.md.
Object.defineProperty(globalThis, 'navigator', { value: undefined, configurable: true, writable: true });

const server = require('node:http').createServer();
require('rtc-switchboard')(server);
server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
