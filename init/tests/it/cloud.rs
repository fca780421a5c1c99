//! A stand-in for DynamoDB, Secrets Manager, Parameter Store and STS over HTTP. Tests can read its table, and let it
//! answer with errors that AWS documents.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use kees_common::{SecretValue, StoreName};
use serde_json::{Value, json};

/// The Region of the stand-in.
pub(crate) const REGION: &str = "eu-west-1";

/// The value under each name: DynamoDB's attribute `secretValue`, or the members of a response of
/// Secrets Manager that hold the value (`{"SecretString": …}`), or the text of a parameter.
pub(crate) type Table = BTreeMap<String, Value>;

/// A call that was received.
#[derive(Debug)]
pub(crate) struct Call {
    /// `GetItem`; for STS, `AssumeRoleWithWebIdentity`.
    pub(crate) operation: String,
    /// The Region and the access key in the signature; empty for STS.
    pub(crate) region: String,
    pub(crate) access_key: String,
    pub(crate) body: Value,
    /// The body as it was sent: STS takes a form.
    pub(crate) text: String,
}

/// A response instead of the normal one.
#[derive(Debug, Clone)]
pub(crate) enum Instead {
    /// A status and a body.
    Answer(u16, String),
    /// No response.
    Silence,
    /// The connection is closed.
    HangUp,
}

/// Sees every call and the table before the call is executed.
type Script = dyn Fn(&Call, &Table) -> Option<Instead> + Send + Sync;

/// A server that ends with the process of its test.
#[derive(Clone)]
pub(crate) struct Cloud {
    address: SocketAddr,
    table: Arc<Mutex<Table>>,
}

impl Cloud {
    /// A server that executes every call.
    pub(crate) fn start() -> Self {
        Self::scripted(|_, _| None)
    }

    /// A server that executes the calls for which the script returns `None`.
    pub(crate) fn scripted(
        script: impl Fn(&Call, &Table) -> Option<Instead> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let cloud = Self {
            address: listener.local_addr().unwrap(),
            table: Arc::default(),
        };
        let (table, script): (_, Arc<Script>) = (Arc::clone(&cloud.table), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (table, script) = (Arc::clone(&table), Arc::clone(&script));
                thread::spawn(move || serve(&stream.unwrap(), &table, &*script));
            }
        });
        cloud
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Configures the program to use this server, with credentials.
    pub(crate) fn configure<'a>(
        &self,
        command: &'a mut Command,
        store: StoreName,
    ) -> &'a mut Command {
        command
            .env("STORE", store.to_string())
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT", self.url())
            .env("AWS_ACCESS_KEY_ID", "tests")
            .env("AWS_SECRET_ACCESS_KEY", "tests")
    }

    pub(crate) fn put(&self, name: &str, content: Value) {
        self.table.lock().unwrap().insert(name.to_owned(), content);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.table.lock().unwrap().remove(name);
    }

    /// Everything that is stored.
    pub(crate) fn table(&self) -> Table {
        self.table.lock().unwrap().clone()
    }
}

/// An error response in the JSON protocols.
pub(crate) fn error_response(code: &str, message: &str) -> Instead {
    let status = if code.starts_with("Internal") {
        500
    } else {
        400
    };
    let body = json!({"__type": format!("com.amazonaws#{code}"), "message": message});
    Instead::Answer(status, body.to_string())
}

/// An error response of STS (STS API Reference, "Common errors").
pub(crate) fn sts_error(code: &str, message: &str) -> Instead {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
         <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    Instead::Answer(400, body)
}

/// The attribute that holds a value in the table of kees.
pub(crate) fn attribute(value: &SecretValue) -> Value {
    json!({"S": *value.to_base64()})
}

fn serve(stream: &TcpStream, table: &Mutex<Table>, script: &Script) {
    let mut reader = BufReader::new(stream);
    while let Some(call) = read_call(&mut reader) {
        let scripted = script(&call, &table.lock().unwrap());
        let (status, body) = match scripted {
            Some(Instead::Answer(status, body)) => (status, body),
            Some(Instead::Silence) => {
                // Returns when the client hangs up.
                let _ = reader.read(&mut [0]);
                return;
            }
            Some(Instead::HangUp) => return,
            None => match carry_out(&call, &mut table.lock().unwrap()) {
                Ok(answer) => (200, answer.to_string()),
                Err(Instead::Answer(status, body)) => (status, body),
                Err(Instead::Silence | Instead::HangUp) => return,
            },
        };
        let head = format!(
            "HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        // The client may have been killed.
        if (&mut &*stream)
            .write_all((head + &body).as_bytes())
            .is_err()
        {
            return;
        }
    }
}

/// The next request of a connection, or `None` at its end.
fn read_call(reader: &mut impl BufRead) -> Option<Call> {
    let (mut operation, mut length) = (None, 0);
    let mut scope = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("x-amz-target") => {
                operation = value.rsplit('.').next().map(str::to_owned);
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?;
            }
            // Credential=KEY/DATE/REGION/SERVICE/aws4_request
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                let (_, credential) = value.split_once("Credential=").unwrap_or_default();
                scope = credential.split('/').map(str::to_owned).collect();
            }
            None if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Call {
        operation: operation.unwrap_or_else(|| "AssumeRoleWithWebIdentity".to_owned()),
        region: scope.get(2).cloned().unwrap_or_default(),
        access_key: scope.first().cloned().unwrap_or_default(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        text: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn carry_out(call: &Call, table: &mut Table) -> Result<Value, Instead> {
    let body = &call.body;
    Ok(match call.operation.as_str() {
        "GetItem" => item(table, &body["Key"]),
        "BatchGetItem" => {
            let (name, asked) = body["RequestItems"]
                .as_object()
                .unwrap()
                .iter()
                .next()
                .unwrap();
            let items = asked["Keys"].as_array().unwrap().iter();
            let items: Vec<Value> = items
                .filter_map(|key| item(table, key).get_mut("Item").map(Value::take))
                .collect();
            json!({"Responses": {name: items}, "UnprocessedKeys": {}})
        }
        "TransactGetItems" => {
            let gets = body["TransactItems"].as_array().unwrap().iter();
            let answers: Vec<Value> = gets.map(|get| item(table, &get["Get"]["Key"])).collect();
            json!({"Responses": answers})
        }
        "TransactWriteItems" => put_all(table, body["TransactItems"].as_array().unwrap())?,
        "GetSecretValue" => secret(table, text(&body["SecretId"]))?,
        "BatchGetSecretValue" => {
            let (mut values, mut errors) = (Vec::new(), Vec::new());
            for id in body["SecretIdList"].as_array().unwrap() {
                match secret(table, text(id)) {
                    Ok(value) => values.push(value),
                    Err(_) => errors.push(json!({
                        "SecretId": id,
                        "ErrorCode": "ResourceNotFoundException",
                        "Message": ABSENT,
                    })),
                }
            }
            json!({"SecretValues": values, "Errors": errors})
        }
        "GetParameters" => {
            let (mut values, mut invalid) = (Vec::new(), Vec::new());
            for asked in body["Names"].as_array().unwrap() {
                let name = text(asked).split(':').next().unwrap();
                match table.get(text(asked)) {
                    Some(value) => values.push(json!({"Name": name, "Value": value, "Version": 1})),
                    None => invalid.push(asked),
                }
            }
            json!({"Parameters": values, "InvalidParameters": invalid})
        }
        "CreateSecret" => {
            let name = text(&body["Name"]);
            if table.contains_key(name) {
                return Err(error_response(
                    "ResourceExistsException",
                    "it already exists",
                ));
            }
            let mut content = body.clone();
            let held = ["SecretString", "SecretBinary"];
            content
                .as_object_mut()
                .unwrap()
                .retain(|key, _| held.contains(&key.as_str()));
            table.insert(name.to_owned(), content);
            json!({"Name": name})
        }
        other => return Err(error_response("UnknownOperationException", other)),
    })
}

const ABSENT: &str = "Secrets Manager can't find the specified secret.";

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The response of DynamoDB about one key.
fn item(table: &Table, key: &Value) -> Value {
    let name = &key["secretName"]["S"];
    table.get(text(name)).map_or_else(
        || json!({}),
        |value| json!({"Item": {"secretName": {"S": name}, "secretValue": value}}),
    )
}

/// Puts all items, or none if one of them exists.
fn put_all(table: &mut Table, items: &[Value]) -> Result<Value, Instead> {
    let items = || items.iter().map(|put| &put["Put"]["Item"]);
    let exists = |item: &Value| table.contains_key(text(&item["secretName"]["S"]));
    if items().any(exists) {
        let reasons: Vec<Value> = items()
            .map(|item| {
                if exists(item) {
                    let message = "The conditional request failed";
                    json!({"Code": "ConditionalCheckFailed", "Message": message})
                } else {
                    json!({"Code": "None"})
                }
            })
            .collect();
        let body = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled",
            "CancellationReasons": reasons,
        });
        return Err(Instead::Answer(400, body.to_string()));
    }
    for item in items() {
        table.insert(
            text(&item["secretName"]["S"]).to_owned(),
            item["secretValue"].clone(),
        );
    }
    Ok(json!({}))
}

fn secret(table: &Table, id: &str) -> Result<Value, Instead> {
    let mut answer = table
        .get(id)
        .cloned()
        .ok_or_else(|| error_response("ResourceNotFoundException", ABSENT))?;
    answer["Name"] = json!(id);
    answer["ARN"] = json!(format!(
        "arn:aws:secretsmanager:{REGION}:123456789012:secret:{id}-AbCdEf"
    ));
    Ok(answer)
}
