// A mail server for tests: prints each mail as a line of JSON, after its port on the first
// line. It refuses whom the local part of the address says: refused for good, busy@ once, and
// to slow@ it says nothing more.
'use strict';

const net = require('net');
const busy = new Set();

const server = net.createServer((socket) => {
    let text = '';
    let mail = null;
    let lines = null;
    const say = (reply) => socket.write(`${reply}\r\n`);

    function command(line) {
        const [, address] = /<([^>]*)>/.exec(line) || [];
        if (/^(EHLO|HELO)/i.test(line)) return say('250 sink');
        if (/^MAIL FROM/i.test(line)) {
            mail = { from: address, to: [] };
            return say('250 ok');
        }
        if (/^RCPT TO/i.test(line)) {
            if (/^refused/.test(address)) return say('550 no such user');
            if (/^slow/.test(address)) return console.log(JSON.stringify({ slow: address }));
            if (/^busy/.test(address) && !busy.has(address)) {
                busy.add(address);
                return say('450 try again later');
            }
            mail.to.push(address);
            return say('250 ok');
        }
        if (/^DATA/i.test(line)) {
            lines = [];
            return say('354 go on');
        }
        if (/^QUIT/i.test(line)) return socket.end('221 bye\r\n');
        return say('250 ok');
    }

    socket.on('error', () => {});
    socket.on('data', (data) => {
        text += data.toString('latin1');
        for (let end; (end = text.indexOf('\r\n')) >= 0; ) {
            const line = text.slice(0, end);
            text = text.slice(end + 2);
            if (lines === null) command(line);
            else if (line === '.') {
                console.log(JSON.stringify({ ...mail, text: lines.join('\n') }));
                lines = null;
                say('250 taken');
            } else lines.push(line.replace(/^\./, ''));
        }
    });
    say('220 sink');
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
