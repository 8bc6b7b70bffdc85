using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Operator.Scaling.Signals;

/// <summary>
/// A Prometheus server that triggers may query, under the name that the administrator gave it. Credentials are mounted files.
/// </summary>
internal sealed record PrometheusSource
{
    public string Name { get; init; } = "";

    /// <summary>Base address, before /api/v1/query.</summary>
    public string Address { get; init; } = "";

    /// <summary>PEM file; the system's authorities if absent.</summary>
    public string? CaFile { get; init; }

    public string? CertFile { get; init; }

    public string? KeyFile { get; init; }

    public string? BearerTokenFile { get; init; }

    public string? UsernameFile { get; init; }

    public string? PasswordFile { get; init; }

    /// <summary>Name in the server's certificate and the Host header, if it differs from the address.</summary>
    public string? ServerName { get; init; }

    internal IEnumerable<string> Files =>
        ((string?[])[CaFile, CertFile, KeyFile, BearerTokenFile, UsernameFile, PasswordFile]).OfType<string>();
}

/// <summary>The file that the chart creates from <c>operator.prometheus</c>.</summary>
internal static class PrometheusSourceList
{
    /// <exception cref="FormatException">An entry is invalid; the message names it.</exception>
    public static IReadOnlyDictionary<string, PrometheusSource> Read(ReadOnlySpan<byte> json)
    {
        List<PrometheusSource?>? entries;
        try
        {
            entries = JsonSerializer.Deserialize(json, PrometheusJson.Default.ListPrometheusSource);
        }
        catch (JsonException exception)
        {
            throw new FormatException($"the list of Prometheus sources cannot be read: {exception.Message}", exception);
        }
        var sources = new Dictionary<string, PrometheusSource>(StringComparer.Ordinal);
        foreach (var source in entries ?? [])
        {
            if (source is null || string.IsNullOrEmpty(source.Name))
                throw new FormatException("a Prometheus source has no name");
            if (
                !Uri.TryCreate(source.Address, UriKind.Absolute, out var uri)
                || uri.Scheme is not ("http" or "https")
                || uri.Query.Length > 0
                || uri.Fragment.Length > 0
            )
                throw new FormatException($"Prometheus source {source.Name}: the address is not an http:// or https:// URL");
            // It would stand in logs and in objects.
            if (uri.UserInfo.Length > 0)
                throw new FormatException($"Prometheus source {source.Name}: credentials are given as files, not in the address");
            if (source.CertFile is null != source.KeyFile is null)
                throw new FormatException($"Prometheus source {source.Name}: certFile and keyFile are given together");
            if (source.UsernameFile is null != source.PasswordFile is null)
                throw new FormatException($"Prometheus source {source.Name}: usernameFile and passwordFile are given together");
            if (source.UsernameFile is not null && source.BearerTokenFile is not null)
                throw new FormatException($"Prometheus source {source.Name}: a bearer token or a user name, not both");
            if (!sources.TryAdd(source.Name, source))
                throw new FormatException($"two Prometheus sources are called {source.Name}");
        }
        return sources;
    }
}

/// <summary>The parts of Prometheus' answer to an instant query that are used.</summary>
internal sealed record PromWire
{
    public string? Status { get; init; }

    public string? ErrorType { get; init; }

    public string? Error { get; init; }

    public PromData? Data { get; init; }

    /// <summary>A list of texts. The <c>infos</c> of an answer concern the query's style and are not read.</summary>
    public JsonElement Warnings { get; init; }
}

internal sealed record PromData
{
    public string? ResultType { get; init; }

    public JsonElement Result { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(List<PrometheusSource?>), TypeInfoPropertyName = "ListPrometheusSource")]
[JsonSerializable(typeof(PromWire))]
internal sealed partial class PrometheusJson : JsonSerializerContext;
