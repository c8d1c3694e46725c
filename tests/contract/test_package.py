"""What `make package` builds: the template and the zip, read as AWS would read them."""

import json
import os
import re
import subprocess
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain import camera_frame, upload
from scripts import package

ROOT = Path(__file__).resolve().parents[2]
CALL_UNDER_LAMBDAS_PYTHON = """
import json, sys
contents, boto3_folder, event = sys.argv[1:]
sys.path[:0] = [contents]
sys.path.append(boto3_folder)  # Lambda brings boto3 along
import app
class Context:
    aws_request_id, function_name, memory_limit_in_mb = "r-1", "f", 1024
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:f"
    def get_remaining_time_in_millis(self): return 29000
answer = app.app(json.loads(event), Context())
print(json.dumps({"answer": answer, "numpy": "numpy" in sys.modules}))
"""
# A call that is not here fails the test below: write down what it needs, and allow it in .chalice/policy.json.
IAM_ACTIONS = {
    "get_item": ["dynamodb:GetItem"],
    "query": ["dynamodb:Query"],
    "transact_write_items": [
        *("dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
    ],
    "copy_object": ["s3:GetObject", "s3:PutObject"],
    "delete_object": ["s3:DeleteObject"],
    "generate_presigned_url": ["s3:GetObject", "s3:PutObject"],
    "get_object": ["s3:GetObject"],
    "head_object": ["s3:GetObject", "s3:ListBucket"],
    "put_object": ["s3:PutObject"],
    "create_endpoint": ["sagemaker:CreateEndpoint", "sagemaker:AddTags"],
    "create_endpoint_config": ["sagemaker:CreateEndpointConfig", "sagemaker:AddTags"],
    "create_model": ["sagemaker:CreateModel", "sagemaker:AddTags", "iam:PassRole"],
    "create_processing_job": ["sagemaker:CreateProcessingJob", "sagemaker:AddTags", "iam:PassRole"],
    "create_training_job": ["sagemaker:CreateTrainingJob", "sagemaker:AddTags", "iam:PassRole"],
    "delete_endpoint": ["sagemaker:DeleteEndpoint"],
    "delete_endpoint_config": ["sagemaker:DeleteEndpointConfig"],
    "delete_model": ["sagemaker:DeleteModel"],
    "describe_endpoint": ["sagemaker:DescribeEndpoint"],
    "describe_endpoint_config": ["sagemaker:DescribeEndpointConfig"],
    "describe_processing_job": ["sagemaker:DescribeProcessingJob"],
    "describe_training_job": ["sagemaker:DescribeTrainingJob"],
    "invoke_endpoint": ["sagemaker:InvokeEndpoint"],
    "list_endpoints": ["sagemaker:ListEndpoints"],
    "list_service_quotas": ["servicequotas:ListServiceQuotas"],
    "stop_processing_job": ["sagemaker:StopProcessingJob"],
    "stop_training_job": ["sagemaker:StopTrainingJob"],
}
NO_REQUEST = {"client"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("package") / "dev"
    package.main("dev", output)
    return output


@pytest.fixture(scope="module")
def template(built: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((built / "sam.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def names(built: Path) -> set[str]:
    with zipfile.ZipFile(built / "deployment.zip") as packed:
        return set(packed.namelist())


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    resources = template["Resources"]
    return {name: each.get("Properties", {}) for name, each in resources.items() if each["Type"] == kind}


def statements(template: dict[str, Any]) -> list[dict[str, Any]]:
    policies = [policy for role in of_type(template, "AWS::IAM::Role").values() for policy in role["Policies"]]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def actions(statement: dict[str, Any]) -> list[str]:
    found = statement["Action"]
    return [found] if isinstance(found, str) else list(found)


def test_cloudformation_would_take_the_template(built: Path) -> None:
    linter = Path(sysconfig.get_path("scripts")) / "cfn-lint"
    result = subprocess.run([linter, built / "sam.json"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(
    "content_type", ["image/jpeg", "image/png", "image/webp", "multipart/form-data", "application/octet-stream"]
)
def test_bodies_that_are_bytes_arrive_whole(template: dict[str, Any], content_type: str) -> None:
    definition = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    assert content_type in definition["x-amazon-apigateway-binary-media-types"]


def test_every_route_of_the_app_is_in_the_template(template: dict[str, Any]) -> None:
    from app import app

    definition = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    assert set(definition["paths"]) == set(app.routes)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("MISSING_AUTHENTICATION_TOKEN", "404"),
        ("RESOURCE_NOT_FOUND", "404"),
        ("REQUEST_TOO_LARGE", "413"),
        ("THROTTLED", "429"),
        ("INTEGRATION_TIMEOUT", "504"),
        ("DEFAULT_4XX", "400"),
        ("DEFAULT_5XX", "500"),
    ],
)
def test_what_the_gateway_refuses_is_a_problem_with_cors(template: dict[str, Any], kind: str, status: str) -> None:
    every = of_type(template, "AWS::ApiGateway::GatewayResponse").values()
    (response,) = [each for each in every if each["ResponseType"] == kind]
    body = json.loads(response["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '""'))
    headers = response["ResponseParameters"]
    assert (response["StatusCode"], body["status"]) == (status, int(status))
    assert body.keys() == {"type", "title", "status", "detail", "request_id"}
    assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"


def test_the_gateways_problem_types_are_the_services_own(template: dict[str, Any]) -> None:
    from chalicelib.api.problems import PROBLEMS, TYPE_PREFIX

    bodies = [
        each["ResponseTemplates"]["application/json"]
        for each in of_type(template, "AWS::ApiGateway::GatewayResponse").values()
    ]
    types = {re.findall(r'"type": "([^"]+)"', body)[0] for body in bodies}
    assert types - {TYPE_PREFIX + kind.slug for kind in PROBLEMS.values()} == {TYPE_PREFIX + "refused-by-gateway"}


def test_the_table_is_what_the_store_expects(template: dict[str, Any]) -> None:
    (table,) = of_type(template, "AWS::DynamoDB::Table").values()
    keys = {"": table["KeySchema"]} | {
        index["IndexName"]: index["KeySchema"] for index in table["GlobalSecondaryIndexes"]
    }
    assert {name: [key["AttributeName"] for key in schema] for name, schema in keys.items()} == {
        "": ["partition", "sort"],
        "index1": ["index1_partition", "index1_sort"],
        "index2": ["index2_partition", "index2_sort"],
    }
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at_s", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]


def test_the_bucket_is_private_versioned_and_tls_only(template: dict[str, Any]) -> None:
    (bucket,) = of_type(template, "AWS::S3::Bucket").values()
    (policy,) = of_type(template, "AWS::S3::BucketPolicy").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_what_the_bucket_forgets_by_itself_is_what_the_service_keeps_no_longer(template: dict[str, Any]) -> None:
    (bucket,) = of_type(template, "AWS::S3::Bucket").values()
    rules = bucket["LifecycleConfiguration"]["Rules"]
    days = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    day_s = 24 * 3600
    assert days == {
        f"{upload.FOLDER}/": upload.KEEP_S // day_s,
        f"{camera_frame.FOLDER}/": camera_frame.KEEP_S // day_s,
    }
    # The bucket has versions: what expires would stay as one of them.
    assert all("NoncurrentVersionExpiration" in rule for rule in rules if "ExpirationInDays" in rule)
    assert {"ExpiredObjectDeleteMarker"} <= {name for rule in rules for name in rule}


def test_what_holds_state_outlives_the_stack(template: dict[str, Any]) -> None:
    kept = {name: each for name, each in template["Resources"].items() if name in ("Table", "Bucket")}
    assert [each["DeletionPolicy"] for each in kept.values()] == ["Retain", "Retain"]


def test_no_permission_is_wider_than_it_must_be(template: dict[str, Any]) -> None:
    allowed = [statement for statement in statements(template) if statement["Effect"] == "Allow"]
    everywhere = {each["Sid"] for each in allowed if each["Resource"] == "*"}
    named = ("Trace", "LogIn", "Metrics", "Counting")
    assert everywhere == {f"{each}CannotBeNarrowed" for each in named}
    assert [action for each in allowed for action in actions(each) if "*" in action or action == "dynamodb:Scan"] == []


def test_every_call_of_the_aws_adapters_is_allowed(template: dict[str, Any]) -> None:
    sources = [path.read_text() for path in (ROOT / "chalicelib" / "adapters" / "aws").glob("*.py")]
    called = {method for source in sources for method in re.findall(r"client(?:\(.*\))?\.([a-z_]+)\(", source)}
    needed = {action for method in called - NO_REQUEST for action in IAM_ACTIONS[method]}
    role = template["Resources"]["ApiHandlerRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert {"dynamodb:GetItem", "sagemaker:InvokeEndpoint"} <= needed
    assert needed - {action for statement in role for action in actions(statement)} == set()


def test_the_stage_limits_rates_and_may_reserve_concurrency(template: dict[str, Any]) -> None:
    (everything,) = template["Resources"]["RestAPI"]["Properties"]["MethodSettings"]
    assert everything["ThrottlingRateLimit"] == {"Ref": "ThrottlingRate"}
    assert "ReservedConcurrentExecutions" in template["Resources"]["APIHandler"]["Properties"]


def test_every_function_knows_table_bucket_stage_and_runtime(template: dict[str, Any]) -> None:
    everywhere = template["Globals"]["Function"]["Environment"]["Variables"]
    handler = template["Resources"]["APIHandler"]["Properties"]
    assert everywhere["BINSIGHT_TABLE"] == {"Ref": "Table"}
    assert everywhere["BINSIGHT_BUCKET"] == {"Ref": "Bucket"}
    assert handler["Environment"]["Variables"]["BINSIGHT_STAGE"] == "dev"
    assert handler["Runtime"] == f"python{package.RUNTIME_VERSION}"


def test_the_zip_holds_the_app_its_static_files_and_the_light_runtime(names: set[str]) -> None:
    static = {f"chalicelib/static/{path.name}" for path in ROOT.glob("openapi.yaml")}
    jobs = {f"chalicelib/static/jobs/{path.name}" for path in ROOT.glob("training/jobs/*.json")}
    runtime = {f"device/runtime/{name}.py" for name in ("manifest", "image_header", "image", "fit", "decision")}
    assert names >= {"app.py", "chalice/app.py", "chalicelib/bootstrap.py"} | static | jobs | runtime


def test_no_engine_no_numpy_and_no_boto3_in_the_zip(built: Path, names: set[str]) -> None:
    assert {name.split("/")[0] for name in names} & {"boto3", "botocore", "mxnet", "numpy", "onnxruntime"} == set()
    sources = (built / "contents" / "device").rglob("*.py")
    assert [path.name for path in sources if re.search(r"^(import|from) numpy", path.read_text(), re.M)] == []


def test_the_same_sources_make_the_same_zip(built: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(built / "deployment.zip") as packed:
        assert {entry.date_time for entry in packed.infolist()} == {package.FIXED_TIME}
        assert packed.namelist() == sorted(packed.namelist(), key=Path)


def test_an_embedded_stage_is_not_packaged(tmp_path: Path) -> None:
    with pytest.raises(package.PackageError, match="only dev and prod"):
        package.main("embedded", tmp_path)


def test_lambdas_own_python_imports_the_zip_and_asks_for_a_key(built: Path) -> None:
    python = package.lambda_python()
    if python is None:
        pytest.skip(f"no Python {package.RUNTIME_VERSION} on this machine")
    arguments = [str(built / "contents"), sysconfig.get_path("purelib"), json.dumps(gateway_event("POST", "/classify"))]
    settings = {**os.environ, "BINSIGHT_STAGE": "dev", "BINSIGHT_TABLE": "t", "BINSIGHT_BUCKET": "b"}
    settings |= {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
    command = [python, "-I", "-c", CALL_UNDER_LAMBDAS_PYTHON, *arguments]
    result = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    outcome = json.loads(result.stdout.splitlines()[-1])
    assert (outcome["answer"]["statusCode"], outcome["numpy"]) == (401, False), result.stdout


def gateway_event(method: str, path: str) -> dict[str, Any]:
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": {},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"httpMethod": method, "resourcePath": path, "path": path, "requestId": "r-1"},
        "body": "",
        "isBase64Encoded": False,
    }


def test_a_web_origin_given_at_packaging_reaches_the_functions_and_the_gateways_own_answers(
    built: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "sam.json"
    copy.write_text((built / "sam.json").read_text())

    settings = {"BINSIGHT_CORS_ORIGIN": "https://shop.example", "BINSIGHT_BUDGET_USD": "9"}

    finished = package.finish_template(copy, settings)

    for function in of_type(finished, "AWS::Serverless::Function").values():
        variables = function["Environment"]["Variables"]
        assert settings.items() <= variables.items()
    for answer in of_type(finished, "AWS::ApiGateway::GatewayResponse").values():
        assert answer["ResponseParameters"][package.ALLOWED_ORIGIN] == "'https://shop.example'"
