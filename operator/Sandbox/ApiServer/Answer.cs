using System.Text.Json.Nodes;
using Bursar.Sandbox.Values;
using Microsoft.AspNetCore.Http;

namespace Bursar.Sandbox.ApiServer;

/// <summary>Writes responses.</summary>
internal static class Answer
{
    public static async Task JsonAsync(HttpContext http, int code, JsonNode body, CancellationToken ct) =>
        await BytesAsync(http, code, Json.ToBytes(body), ct).ConfigureAwait(false);

    public static async Task BytesAsync(HttpContext http, int code, byte[] body, CancellationToken ct)
    {
        http.Response.StatusCode = code;
        http.Response.ContentType ??= "application/json";
        http.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(http.Request.Method))
        {
            await http.Response.BodyWriter.WriteAsync(body, ct).ConfigureAwait(false);
        }
    }

    public static async Task TextAsync(HttpContext http, int code, string text, CancellationToken ct)
    {
        http.Response.ContentType = "text/plain; charset=utf-8";
        await BytesAsync(http, code, System.Text.Encoding.UTF8.GetBytes(text), ct).ConfigureAwait(false);
    }

    public static async Task ErrorAsync(HttpContext http, ApiError error, CancellationToken ct)
    {
        if (error.RetryAfterSeconds is { } seconds)
        {
            http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        if (error.Code == 401)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer";
        }

        await JsonAsync(http, error.Code, error.ToStatus(), ct).ConfigureAwait(false);
    }

    /// <summary>Adds Warning headers (RFC 7234), which kubectl prints.</summary>
    public static void Warn(HttpContext http, IEnumerable<string> warnings)
    {
        foreach (var warning in warnings)
        {
            http.Response.Headers.Append(
                "Warning",
                $"299 - \"{warning.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\""
            );
        }
    }

    public static JsonObject Success(string group, string plural, string name, string uid)
    {
        var details = new JsonObject { ["name"] = name };
        if (group.Length > 0)
        {
            details["group"] = group;
        }

        details["kind"] = plural;
        details["uid"] = uid;
        return new JsonObject
        {
            ["kind"] = "Status",
            ["apiVersion"] = "v1",
            ["metadata"] = new JsonObject(),
            ["status"] = "Success",
            ["details"] = details,
        };
    }
}
