/** How a shop's back end signs a visitor's identity, in the languages shops are written in. No library needed. */

export const SAMPLES: Record<string, string> = {
  'Node.js': `import { createHmac } from 'node:crypto';

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export function visitorToken(customer) {
  const head = part({ alg: 'HS256', typ: 'JWT' });
  const body = part({
    sub: customer.id,
    name: customer.name,
    class: customer.isVip ? 'vip' : 'normal',
    site: 'default',
    exp: Math.floor(Date.now() / 1000) + 3600,
  });
  const sign = createHmac('sha256', process.env.RINGDESK_SECRET)
    .update(head + '.' + body)
    .digest('base64url');
  return head + '.' + body + '.' + sign;
}`,
  PHP: `<?php
function part($bytes) {
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

function visitor_token($customer) {
    $head = part(json_encode(['alg' => 'HS256', 'typ' => 'JWT']));
    $body = part(json_encode([
        'sub' => $customer['id'],
        'name' => $customer['name'],
        'class' => $customer['vip'] ? 'vip' : 'normal',
        'site' => 'default',
        'exp' => time() + 3600,
    ]));
    $sign = hash_hmac('sha256', "$head.$body", getenv('RINGDESK_SECRET'), true);
    return "$head.$body." . part($sign);
}`,
  Python: `import base64, hashlib, hmac, json, os, time

def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

def visitor_token(customer) -> str:
    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = part(json.dumps({
        "sub": customer.id,
        "name": customer.name,
        "class": "vip" if customer.vip else "normal",
        "site": "default",
        "exp": int(time.time()) + 3600,
    }).encode())
    secret = os.environ["RINGDESK_SECRET"].encode()
    sign = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{part(sign)}"`,
  Java: `import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import java.time.Instant;
import java.util.Base64;
import static java.nio.charset.StandardCharsets.UTF_8;

final class VisitorToken {
    private static String part(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    /** The body is JSON: {"sub":"…","name":"…","class":"vip","site":"default","exp":…} made by your JSON library. */
    static String sign(String body, String secret) throws Exception {
        String head = part("{\\"alg\\":\\"HS256\\",\\"typ\\":\\"JWT\\"}".getBytes(UTF_8));
        String text = head + "." + part(body.getBytes(UTF_8));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(secret.getBytes(UTF_8), "HmacSHA256"));
        return text + "." + part(mac.doFinal(text.getBytes(UTF_8)));
    }
}`,
};
