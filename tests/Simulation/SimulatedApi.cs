using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Core.Ledger;
using Bursar.Sandbox.Merging;
using Bursar.Sandbox.Values;

namespace Bursar.Tests.Simulation;

/// <summary>
/// An API server that is a dictionary on the caller's thread: what the operator writes is there at once, and nothing is validated. It outlives
/// the operators that write to it.
/// </summary>
internal sealed class SimulatedApi : DelegatingHandler
{
    private const string Ledgers = "/gpuledgers";

    private readonly Dictionary<string, JsonObject> _objects = new(StringComparer.Ordinal);
    private long _version;

    /// <summary>
    /// Called before each write with the path, the object as it is and as it will be; null where there is none. An exception ends the operator,
    /// and nothing is written.
    /// </summary>
    public Action<string, JsonObject?, JsonObject?>? Writing { get; set; }

    /// <summary>Called with the same after the write and before its answer.</summary>
    public Action<string, JsonObject?, JsonObject?>? Written { get; set; }

    public JsonObject? Find(string path) => _objects.GetValueOrDefault(path);

    public void Put(string path, JsonObject obj)
    {
        obj["metadata"]!["resourceVersion"] = $"{++_version}";
        _objects[path] = obj;
    }

    public void Remove(string path) => _objects.Remove(path);

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        HttpResponseMessage answer;
        try
        {
            answer = Answer(HttpStatusCode.OK, Handle(request));
        }
        catch (ApiError refusal)
        {
            answer = Answer((HttpStatusCode)refusal.Code, refusal.ToStatus());
        }
        answer.RequestMessage = request;
        return Task.FromResult(answer);
    }

    private JsonObject Handle(HttpRequestMessage request)
    {
        var path = request.RequestUri!.AbsolutePath;
        if (request.Method == HttpMethod.Get && path.EndsWith(Ledgers, StringComparison.Ordinal))
            return List();
        // The scale of an object is its replica count.
        var target = path.EndsWith("/scale", StringComparison.Ordinal) ? path[..^"/scale".Length] : path;
        if (request.Method == HttpMethod.Post)
        {
            var created = Body(request).AsObject();
            target = $"{path}/{(string)created["metadata"]!["name"]!}";
            if (_objects.ContainsKey(target))
                throw new ApiError(409, "AlreadyExists", target);
            Write(target, null, created);
            return created;
        }
        var present = _objects.GetValueOrDefault(target) ?? throw new ApiError(404, "NotFound", target);
        if (request.Method == HttpMethod.Get)
            return present;
        var changed = request.Method == HttpMethod.Delete ? null : JsonPatch.Apply(present, Body(request))!.AsObject();
        Write(target, present, changed);
        // The store needs only the version of a shard that it wrote, and the simulation spends most of its time on shards.
        return changed is not null && target.Contains(Ledgers, StringComparison.Ordinal)
            ? new() { ["metadata"] = changed["metadata"]!.DeepClone() }
            : changed ?? present;
    }

    private void Write(string path, JsonObject? before, JsonObject? after)
    {
        Writing?.Invoke(path, before, after);
        if (after is null)
            Remove(path);
        else
            Put(path, after);
        Written?.Invoke(path, before, after);
    }

    private JsonObject List() =>
        new()
        {
            ["metadata"] = new JsonObject(),
            ["items"] = new JsonArray([
                .. _objects
                    .Where(one => one.Key.Contains(Ledgers, StringComparison.Ordinal))
                    .Where(one => (string?)one.Value["spec"]!["kind"] != LedgerShard.DayKind)
                    .Select(one => one.Value.DeepClone()),
            ]),
        };

    private static JsonNode Body(HttpRequestMessage request)
    {
        using var stream = request.Content!.ReadAsStream();
        return JsonNode.Parse(stream)!;
    }

    private static HttpResponseMessage Answer(HttpStatusCode code, JsonObject body) =>
        new(code)
        {
            Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body))
            {
                Headers = { ContentType = new("application/json") },
            },
        };
}
