import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;

/** Reads key pairs, signs with the private keys, and verifies with the public keys. */
public class ReadKeyPair {
    /** For each pair: the algorithm of the key, that of the signature, the file of the public key and that of the private key. */
    public static void main(String[] arguments) throws Exception {
        for (int i = 0; i < arguments.length; i += 4) {
            KeyFactory keys = KeyFactory.getInstance(arguments[i]);
            PublicKey publicKey = keys.generatePublic(new X509EncodedKeySpec(read(arguments[i + 2])));
            PrivateKey privateKey = keys.generatePrivate(new PKCS8EncodedKeySpec(read(arguments[i + 3])));

            Signature signature = Signature.getInstance(arguments[i + 1]);
            signature.initSign(privateKey);
            signature.update("message".getBytes());
            byte[] signed = signature.sign();
            signature.initVerify(publicKey);
            signature.update("message".getBytes());
            if (!signature.verify(signed)) {
                throw new Exception(arguments[i + 2] + " does not belong to " + arguments[i + 3]);
            }
            System.out.println(arguments[i] + " " + publicKey.getFormat() + " " + privateKey.getFormat());
        }
    }

    /** The DER bytes of a file, which is in PEM if its name says so. */
    private static byte[] read(String file) throws Exception {
        byte[] bytes = Files.readAllBytes(Path.of(file));
        if (!file.endsWith(".pem")) {
            return bytes;
        }
        String pem = new String(bytes).replaceAll("-----(BEGIN|END) (PUBLIC|PRIVATE) KEY-----", "");
        return Base64.getMimeDecoder().decode(pem);
    }
}
