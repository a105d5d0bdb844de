#!/usr/bin/env node
// Delivers what is due in leadflow's outbox by SMTP, until it is told to stop. Any number of
// these can run at a time. What each environment variable means is in README.md.
'use strict';

const os = require('os');
const { Client } = require('pg');
const nodemailer = require('nodemailer');

const settings = {
    smtp: process.env.SMTP_URL || 'smtp://localhost:25',
    from: process.env.MAIL_FROM,
    batch: Number(process.env.MAIL_BATCH || 10),
    lease: process.env.MAIL_LEASE || '5 minutes',
    poll: Number(process.env.MAIL_POLL || 30) * 1000,
    once: process.env.MAIL_ONCE === '1',
    worker: `${os.hostname()} ${process.pid}`,
};

let stopping = false;
let wake = () => {};

function log(text) {
    console.error(`${new Date().toISOString()} ${text}`);
}

// Until something is announced on our channel, or it is time to look anyway: what was put off
// or given back is not announced.
function idle(milliseconds) {
    return new Promise((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        wake = () => {
            clearTimeout(timer);
            resolve();
        };
    });
}

function message(notice) {
    return {
        // the same for each attempt, so that who gets it twice can tell
        messageId: `<leadflow.${notice.notification_id}@${settings.from.replace(/^.*@|>$/g, '')}>`,
        from: settings.from,
        to: { name: notice.name || '', address: notice.address },
        replyTo: notice.payload.reply_to || undefined,
        subject: notice.subject || '',
        [notice.payload.format === 'html' ? 'html' : 'text']: notice.body || '',
        headers: { 'Auto-Submitted': 'auto-generated' },
        disableFileAccess: true,
        disableUrlAccess: true,
    };
}

// A server that says 5xx will say so again, and so will an address that is none.
function isPermanent(error) {
    return error.responseCode >= 500 || (error.code === 'EENVELOPE' && !error.responseCode);
}

async function deliver(client, transport, notice) {
    const ids = [notice.notification_id];
    try {
        if (!notice.address) {
            throw Object.assign(new Error(`no address is known of ${notice.name || notice.role || 'the recipient'}`),
                { code: 'EENVELOPE' });
        }
        await transport.sendMail(message(notice));
    } catch (error) {
        const reason = error.response || error.message;
        log(`notice ${notice.notification_id}: ${reason}`);
        await client.query('SELECT leadflow.fail($1, $2, permanent => $3, worker => $4)',
            [ids, reason, isPermanent(error), settings.worker]);
        return;
    }
    // at once, so that a crash repeats one mail at the most
    await client.query('SELECT leadflow.ack($1)', [ids]);
}

async function drain(client, transport) {
    while (!stopping) {
        const { rows } = await client.query(
            "SELECT * FROM leadflow.claim_notifications($1, $2, channels => '{mail}', worker => $3)",
            [settings.batch, settings.lease, settings.worker]);
        if (rows.length === 0) return;
        for (const notice of rows) await deliver(client, transport, notice);
    }
}

async function work() {
    const client = new Client();
    const transport = nodemailer.createTransport(settings.smtp);
    let lost = null;
    client.on('error', (error) => {
        lost = error;
        wake();
    });
    client.on('notification', ({ payload }) => {
        if (JSON.parse(payload).queued === 'mail') wake();
    });
    try {
        await client.connect();
        await client.query('LISTEN leadflow');
        do {
            await drain(client, transport);
            if (!stopping && !settings.once && !lost) await idle(settings.poll);
            if (lost) throw lost;
        } while (!stopping && !settings.once);
    } finally {
        transport.close();
        await client.end().catch(() => {});
    }
}

async function main() {
    if (!settings.from) throw new Error('MAIL_FROM is not set: the address that mails come from');
    for (const signal of ['SIGINT', 'SIGTERM']) {
        process.on(signal, () => {
            stopping = true;
            wake();
        });
    }
    for (let pause = 1000; !stopping; pause = Math.min(pause * 2, 60000)) {
        try {
            await work();
            return;
        } catch (error) {
            if (settings.once) throw error;
            log(error.message);
            await idle(pause);
        }
    }
}

main().catch((error) => {
    log(error.message);
    process.exitCode = 1;
});
