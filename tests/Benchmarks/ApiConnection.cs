using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Config;

namespace Bursar.Tests.Benchmarks;

/// <summary>Plain HTTP to an API server: fills clusters, and reads what a client of no kind would read.</summary>
internal sealed class ApiConnection : IDisposable
{
    private readonly byte[] _buffer = new byte[1 << 16];
    private readonly HttpClient _http;

    public ApiConnection(Uri address, string token)
    {
        _http = new(
            new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = static (_, _, _, _) => true }, UseProxy = false }
        )
        {
            BaseAddress = address,
            Timeout = TimeSpan.FromMinutes(2),
        };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        _http.DefaultRequestHeaders.Accept.Add(new("application/json"));
    }

    public static ApiConnection Parse(KubeConfig config) => new(config.Server, config.Token!);

    public void Dispose() => _http.Dispose();

    public Task<JsonNode> PostAsync(string path, string body, CancellationToken ct) =>
        SendAsync(HttpMethod.Post, path, body, "application/json", ct);

    public async Task PostYamlAsync(string path, string body, CancellationToken ct) =>
        await SendAsync(HttpMethod.Post, path, body, "application/yaml", ct);

    public Task<JsonNode> MergeAsync(string path, string body, CancellationToken ct) =>
        SendAsync(HttpMethod.Patch, path, body, "application/merge-patch+json", ct);

    /// <summary>Reads all pages of a list, discards them, and returns their size in bytes.</summary>
    public async Task<long> DrainAsync(string path, int limit, CancellationToken ct)
    {
        long bytes = 0;
        string? next = null;
        do
        {
            using var request = new HttpRequestMessage(
                HttpMethod.Get,
                $"{path}?limit={limit}{(next is null ? "" : $"&continue={Uri.EscapeDataString(next)}")}"
            );
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
            response.EnsureSuccessStatusCode();
            await using var body = await response.Content.ReadAsStreamAsync(ct);
            next = null;
            var first = true;
            for (int read; (read = await body.ReadAsync(_buffer, ct)) > 0; bytes += read)
            {
                // The token of the next page is in the list's metadata, before its items.
                if (first)
                    next = Continue(_buffer.AsSpan(0, read));
                first = false;
            }
        } while (next is not null);
        return bytes;
    }

    /// <summary>The paths of the first pods.</summary>
    public async Task<IReadOnlyList<string>> NamesAsync(string path, int count, CancellationToken ct)
    {
        var list = JsonNode.Parse(await _http.GetStringAsync(new Uri($"{path}?limit={count}", UriKind.Relative), ct))!;
        return
        [
            .. list["items"]!
                .AsArray()
                .Select(item => $"/api/v1/namespaces/{item!["metadata"]!["namespace"]}/pods/{item["metadata"]!["name"]}"),
        ];
    }

    /// <summary>The cluster's resource version: how many writes it has taken, by and large.</summary>
    public async Task<long> VersionAsync(CancellationToken ct)
    {
        var list = JsonNode.Parse(await _http.GetStringAsync(new Uri("/api/v1/namespaces?limit=1", UriKind.Relative), ct))!;
        return long.Parse((string)list["metadata"]!["resourceVersion"]!);
    }

    private static string? Continue(ReadOnlySpan<byte> head)
    {
        var at = head.IndexOf("\"continue\":\""u8);
        if (at < 0)
            return null;
        var text = head[(at + 12)..];
        var token = Encoding.ASCII.GetString(text[..text.IndexOf((byte)'"')]);
        return token.Length == 0 ? null : token;
    }

    private async Task<JsonNode> SendAsync(HttpMethod method, string path, string body, string type, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(method, path) { Content = new StringContent(body, Encoding.UTF8, type) };
        using var response = await _http.SendAsync(request, ct);
        var answer = await response.Content.ReadAsStringAsync(ct);
        return response.IsSuccessStatusCode
            ? JsonNode.Parse(answer)!
            : throw new InvalidOperationException($"{method} {path}: {(int)response.StatusCode} {answer}");
    }
}
