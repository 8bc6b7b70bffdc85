using System.Text.Json.Nodes;

namespace Bursar.Sandbox.Values;

/// <summary>An invalid field: its path, Kubernetes' cause reason, and the message without the path.</summary>
public sealed record FieldCause(string Field, string Reason, string Detail)
{
    public static FieldCause Required(string field, string detail = "") =>
        new(field, "FieldValueRequired", detail.Length == 0 ? "Required value" : $"Required value: {detail}");

    public static FieldCause Invalid(string field, JsonNode? value, string detail) =>
        new(field, "FieldValueInvalid", $"Invalid value: {Shown(value)}: {detail}");

    public static FieldCause TypeInvalid(string field, JsonNode? value, string detail) =>
        new(field, "FieldValueTypeInvalid", $"Invalid value: {Shown(value)}: {detail}");

    public static FieldCause Forbidden(string field, string detail) => new(field, "FieldValueForbidden", $"Forbidden: {detail}");

    public static FieldCause NotSupported(string field, JsonNode? value, IEnumerable<string> supported) =>
        new(field, "FieldValueNotSupported", $"Unsupported value: {Shown(value)}: supported values: {string.Join(", ", supported)}");

    public static FieldCause Duplicate(string field, JsonNode? value) =>
        new(field, "FieldValueDuplicate", $"Duplicate value: {Shown(value)}");

    public override string ToString() => $"{Field}: {Detail}";

    /// <summary>Formats a value for a message: objects as JSON, strings in quotes.</summary>
    public static string Shown(JsonNode? value) =>
        value switch
        {
            null => "null",
            JsonValue v when v.TryGetValue<string>(out var text) => Json.Quote(text),
            _ => Json.ToText(value),
        };
}

/// <summary>An error of a request; the client gets it as a <c>metav1.Status</c>.</summary>
public sealed class ApiError : Exception
{
    public ApiError(int code, string reason, string message, JsonObject? details = null)
        : base(message)
    {
        Code = code;
        Reason = reason;
        Details = details;
    }

    public int Code { get; }

    public string Reason { get; }

    public JsonObject? Details { get; }

    public int? RetryAfterSeconds { get; init; }

    public JsonObject ToStatus()
    {
        var status = new JsonObject
        {
            ["kind"] = "Status",
            ["apiVersion"] = "v1",
            ["metadata"] = new JsonObject(),
            ["status"] = "Failure",
            ["message"] = Message,
        };
        if (Reason.Length > 0)
        {
            status["reason"] = Reason;
        }

        if (Details is not null)
        {
            status["details"] = Details.DeepClone();
        }

        status["code"] = Code;
        return status;
    }

    private static JsonObject About(string group, string kind, string name)
    {
        var details = new JsonObject();
        if (name.Length > 0)
        {
            details["name"] = name;
        }

        if (group.Length > 0)
        {
            details["group"] = group;
        }

        details["kind"] = kind;
        return details;
    }

    private static string Qualified(string group, string resource) => group.Length == 0 ? resource : $"{resource}.{group}";

    public static ApiError NotFound(string group, string resource, string name) =>
        new(404, "NotFound", $"{Qualified(group, resource)} \"{name}\" not found", About(group, resource, name));

    public static ApiError NoSuchPath() => new(404, "NotFound", "the server could not find the requested resource", new JsonObject());

    public static ApiError AlreadyExists(string group, string resource, string name) =>
        new(409, "AlreadyExists", $"{Qualified(group, resource)} \"{name}\" already exists", About(group, resource, name));

    public static ApiError Conflict(string group, string resource, string name, string why) =>
        new(
            409,
            "Conflict",
            $"Operation cannot be fulfilled on {Qualified(group, resource)} \"{name}\": {why}",
            About(group, resource, name)
        );

    public static ApiError Modified(string group, string resource, string name) =>
        Conflict(group, resource, name, "the object has been modified; please apply your changes to the latest version and try again");

    public static ApiError BadRequest(string message) => new(400, "BadRequest", message);

    public static ApiError Forbidden(string group, string resource, string name, string why) =>
        new(403, "Forbidden", $"{Qualified(group, resource)} \"{name}\" is forbidden: {why}", About(group, resource, name));

    public static ApiError Invalid(string group, string kind, string name, IReadOnlyList<FieldCause> errors)
    {
        var shown = errors.Count == 1 ? errors[0].ToString() : $"[{string.Join(", ", errors)}]";
        var details = About(group, kind, name);
        var causes = new JsonArray();
        foreach (var error in errors)
        {
            causes.Add(
                (JsonNode)
                    new JsonObject
                    {
                        ["reason"] = error.Reason,
                        ["message"] = error.Detail,
                        ["field"] = error.Field,
                    }
            );
        }

        details["causes"] = causes;
        return new ApiError(422, "Invalid", $"{Qualified(group, kind)} \"{name}\" is invalid: {shown}", details);
    }

    /// <summary>Creates the error for a patch that does not apply to the object.</summary>
    public static ApiError Unprocessable(string cause) =>
        new(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
            new JsonObject
            {
                ["causes"] = new JsonArray((JsonNode)new JsonObject { ["reason"] = "UnexpectedServerResponse", ["message"] = cause }),
            }
        );

    public static ApiError MethodNotAllowed() =>
        new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", new JsonObject());

    public static ApiError NotAcceptable(string offered) =>
        new(406, "NotAcceptable", $"only the following media types are accepted: {offered}");

    public static ApiError UnsupportedMediaType(string accepted) =>
        new(415, "UnsupportedMediaType", $"the body of the request was in an unknown format - accepted media types include: {accepted}");

    public static ApiError Expired(string message) => new(410, "Expired", message);

    public static ApiError Unauthorized() => new(401, "Unauthorized", "Unauthorized");

    public static ApiError TooManyRequests(int retryAfterSeconds) =>
        new(
            429,
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
            new JsonObject { ["retryAfterSeconds"] = retryAfterSeconds }
        )
        {
            RetryAfterSeconds = retryAfterSeconds,
        };

    public static ApiError Internal(string message) =>
        new(
            500,
            "InternalError",
            $"Internal error occurred: {message}",
            new JsonObject { ["causes"] = new JsonArray((JsonNode)new JsonObject { ["message"] = message }) }
        );

    public static ApiError Unavailable(int retryAfterSeconds) =>
        new(
            503,
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
            new JsonObject { ["retryAfterSeconds"] = retryAfterSeconds }
        )
        {
            RetryAfterSeconds = retryAfterSeconds,
        };

    /// <summary>Creates the error for a feature that the Sandbox does not support.</summary>
    public static ApiError NotOffered(string what) =>
        new(501, "NotImplemented", $"the Sandbox does not offer {what}; use a real cluster for it");
}
