using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Bursar.Tests.TestKit.ApiServers;

/// <summary>An answer of an API server.</summary>
public sealed record Reply(int Code, JsonNode? Body, HttpResponseHeaders Headers, string Text)
{
    public string Message => (string?)Body?["message"] ?? Text;

    public string Reason => (string?)Body?["reason"] ?? "";

    public IReadOnlyList<string> Warnings => Headers.TryGetValues("Warning", out var warnings) ? [.. warnings] : [];
}

/// <summary>An API server that the cases run on, with raw HTTP.</summary>
public sealed class ApiServerUnderTest(string name, HttpClient http, bool isSandbox, bool hasControllers) : IDisposable
{
    private int _namespaces;

    public string Name { get; } = name;

    public bool IsSandbox { get; } = isSandbox;

    /// <summary>Whether a controller collects garbage and empties namespaces.</summary>
    public bool HasControllers { get; } = hasControllers;

    public HttpClient Http { get; } = http;

    public async Task<Reply> SendAsync(
        HttpMethod method,
        string path,
        string? body = null,
        string contentType = "application/json",
        string accept = "application/json",
        CancellationToken ct = default
    )
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative));
        request.Headers.TryAddWithoutValidation("Accept", accept);
        request.Headers.TryAddWithoutValidation("User-Agent", "apisuite/1.0");
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            request.Content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        }

        using var response = await Http.SendAsync(request, ct);
        var text = await response.Content.ReadAsStringAsync(ct);
        JsonNode? json = null;
        // Some documents of a real server come without a content type.
        if (text.StartsWith('{'))
        {
            json = JsonNode.Parse(text);
        }

        return new Reply((int)response.StatusCode, json, response.Headers, text);
    }

    public Task<Reply> GetAsync(string path, string accept = "application/json") => SendAsync(HttpMethod.Get, path, accept: accept);

    public Task<Reply> PostAsync(string path, string body, string contentType = "application/json") =>
        SendAsync(HttpMethod.Post, path, body, contentType);

    public Task<Reply> PutAsync(string path, string body) => SendAsync(HttpMethod.Put, path, body);

    public Task<Reply> PatchAsync(string path, string body, string kind = "merge") =>
        SendAsync(
            HttpMethod.Patch,
            path,
            body,
            kind switch
            {
                "json" => "application/json-patch+json",
                "strategic" => "application/strategic-merge-patch+json",
                "apply" => "application/apply-patch+yaml",
                _ => "application/merge-patch+json",
            }
        );

    public Task<Reply> DeleteAsync(string path, string? options = null) => SendAsync(HttpMethod.Delete, path, options);

    /// <summary>A namespace of the case's own.</summary>
    public async Task<string> NamespaceAsync()
    {
        var name = $"case-{Environment.ProcessId}-{Interlocked.Increment(ref _namespaces)}";
        var reply = await PostAsync("/api/v1/namespaces", $$$"""{"metadata":{"name":"{{{name}}}"}}""");
        return reply.Code == 201 ? name : throw new InvalidOperationException($"{Name}: namespace: {reply.Text}");
    }

    /// <summary>Opens a watch; the lines come as they are sent.</summary>
    public async Task<Watch> WatchAsync(string path, string accept = "application/json")
    {
        var request = new HttpRequestMessage(
            HttpMethod.Get,
            new Uri(path + (path.Contains('?', StringComparison.Ordinal) ? "&" : "?") + "watch=true", UriKind.Relative)
        );
        request.Headers.TryAddWithoutValidation("Accept", accept);
        request.Headers.TryAddWithoutValidation("User-Agent", "apisuite/1.0");
        var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return new Watch(response, new StreamReader(await response.Content.ReadAsStreamAsync()));
    }

    /// <summary>Waits until a condition on the server holds; fails after the deadline with what was last seen.</summary>
    public async Task<Reply> UntilAsync(string path, Func<Reply, bool> condition, int seconds = 20)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (true)
        {
            var reply = await GetAsync(path);
            if (condition(reply))
            {
                return reply;
            }

            if (limit.IsCancellationRequested)
            {
                throw new TimeoutException($"{Name}: {path} did not come to the expected state; last: {reply.Code} {reply.Text}");
            }

            await Task.Delay(50, CancellationToken.None);
        }
    }

    public void Dispose() => Http.Dispose();
}

/// <summary>An open watch.</summary>
public sealed class Watch(HttpResponseMessage response, StreamReader reader) : IDisposable
{
    public int Code => (int)response.StatusCode;

    /// <summary>The next line, or null at the stream's end.</summary>
    public async Task<(string Type, JsonNode Object)?> NextAsync(int seconds = 10)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        var line = await reader.ReadLineAsync(limit.Token);
        if (string.IsNullOrEmpty(line))
        {
            return null;
        }

        var json = JsonNode.Parse(line)!;
        return ((string)json["type"]!, json["object"]!);
    }

    /// <summary>The next line that is no bookmark.</summary>
    public async Task<(string Type, JsonNode Object)> NextChangeAsync()
    {
        while (true)
        {
            var line = await NextAsync() ?? throw new EndOfStreamException("the watch ended");
            if (line.Type != "BOOKMARK")
            {
                return line;
            }
        }
    }

    public void Dispose()
    {
        reader.Dispose();
        response.Dispose();
    }
}
