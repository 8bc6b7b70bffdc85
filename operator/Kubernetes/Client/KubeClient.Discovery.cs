using System.Text.Json;
using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Client;

public sealed partial class KubeClient
{
    private const string AggregatedDiscovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    private static readonly TimeSpan DiscoveryAge = TimeSpan.FromSeconds(5);
    private readonly AsyncLock _discoveryGate;
    private readonly Dictionary<string, (DateTimeOffset At, HashSet<string>? Resources)> _discovered = new(StringComparer.Ordinal);

    /// <summary>
    /// Returns whether the API server serves a kind. Uses aggregated discovery if the server supports it, otherwise one request per group
    /// version. Results are cached for five seconds.
    /// </summary>
    public Task<bool> IsServedAsync<T>(CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T> => IsServedAsync(T.EntityKind, cancellationToken);

    /// <summary>Returns whether the API server serves a kind, also in a version without a C# type. Cached for five seconds.</summary>
    public async Task<bool> IsServedAsync(EntityKind kind, CancellationToken cancellationToken)
    {
        string root = kind.Group.Length == 0 ? "/api" : "/apis";
        string wanted = $"{kind.ApiVersion}/{kind.Plural}";
        using AsyncLock.Pass pass = await _discoveryGate.EnterAsync(cancellationToken).ConfigureAwait(false);
        HashSet<string>? all = await DiscoverAsync(root, AggregatedDiscovery, ReadAggregated, cancellationToken).ConfigureAwait(false);
        if (all is not null)
            return all.Contains(wanted);
        HashSet<string>? group = await DiscoverAsync(
                kind.BasePath,
                "application/json",
                json => ReadResources(json, kind.ApiVersion),
                cancellationToken
            )
            .ConfigureAwait(false);
        return group is not null && group.Contains(wanted);
    }

    private async Task<HashSet<string>?> DiscoverAsync(
        string path,
        string accept,
        Decode<HashSet<string>?> read,
        CancellationToken cancellationToken
    )
    {
        DateTimeOffset now = TimeProvider.GetUtcNow();
        if (_discovered.TryGetValue(path, out (DateTimeOffset At, HashSet<string>? Resources) known) && now - known.At < DiscoveryAge)
            return known.Resources;
        HashSet<string>? found;
        try
        {
            found = await SendAsync(new KubeRequest(HttpMethod.Get, path) { Accept = accept }, read, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (ApiException refused) when (refused.StatusCode is 404 or 406)
        {
            found = null;
        }

        _discovered[path] = (now, found);
        return found;
    }

    /// <summary>
    /// Reads aggregated discovery, such as
    /// {"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"batch"},"versions":[{"version":"v1","resources":[{"resource":"jobs"}]}]}]}.
    /// Returns null for any other answer, as servers without aggregated discovery give.
    /// </summary>
    private static HashSet<string>? ReadAggregated(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json);
        using JsonDocument document = JsonDocument.ParseValue(ref reader);
        if (!document.RootElement.TryGetProperty("kind", out JsonElement kind) || kind.GetString() != "APIGroupDiscoveryList")
            return null;
        HashSet<string> found = new(StringComparer.Ordinal);
        foreach (JsonElement group in Items(document.RootElement, "items"))
        {
            string name =
                group.TryGetProperty("metadata", out JsonElement metadata) && metadata.TryGetProperty("name", out JsonElement text)
                    ? text.GetString() ?? ""
                    : "";
            foreach (JsonElement version in Items(group, "versions"))
            {
                string number = version.TryGetProperty("version", out JsonElement value) ? value.GetString() ?? "" : "";
                string apiVersion = name.Length == 0 ? number : $"{name}/{number}";
                foreach (JsonElement resource in Items(version, "resources"))
                    if (resource.TryGetProperty("resource", out JsonElement plural))
                        found.Add($"{apiVersion}/{plural.GetString()}");
            }
        }

        return found;
    }

    /// <summary>Reads the resources of a group version, such as {"kind":"APIResourceList","resources":[{"name":"jobs"}]}.</summary>
    private static HashSet<string> ReadResources(ReadOnlySpan<byte> json, string apiVersion)
    {
        Utf8JsonReader reader = new(json);
        using JsonDocument document = JsonDocument.ParseValue(ref reader);
        HashSet<string> found = new(StringComparer.Ordinal);
        foreach (JsonElement resource in Items(document.RootElement, "resources"))
            if (resource.TryGetProperty("name", out JsonElement name))
                found.Add($"{apiVersion}/{name.GetString()}");
        return found;
    }

    private static IEnumerable<JsonElement> Items(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement list) && list.ValueKind == JsonValueKind.Array ? list.EnumerateArray() : [];
}
