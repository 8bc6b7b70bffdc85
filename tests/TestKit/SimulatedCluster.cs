using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Sandbox;
using Bursar.Sandbox.Controllers;
using Bursar.Sandbox.Nodes;
using Bursar.Sandbox.Time;

namespace Bursar.Tests.TestKit;

/// <summary>A Sandbox under virtual time with its controllers and, if asked for, a fleet.</summary>
public sealed class SimulatedCluster : IAsyncDisposable
{
    public static readonly DateTimeOffset Start = new(2026, 11, 2, 8, 0, 0, TimeSpan.Zero);

    private SimulatedCluster(VirtualTimeProvider time, Bursar.Sandbox.Sandbox sandbox, KubeClient client)
    {
        Time = time;
        Sandbox = sandbox;
        Client = client;
    }

    public VirtualTimeProvider Time { get; }

    public Bursar.Sandbox.Sandbox Sandbox { get; }

    public KubeClient Client { get; }

    public required LogList Logs { get; init; }

    public BuiltInControllers? Controllers { get; private set; }

    public NodeSimulator? Nodes { get; private set; }

    public static async Task<SimulatedCluster> StartAsync(params FleetNode[] fleet) =>
        await StartAsync(new NodeSimulatorOptions { Fleet = fleet });

    public static async Task<SimulatedCluster> StartAsync(NodeSimulatorOptions options)
    {
        var logs = new LogList();
        var time = new VirtualTimeProvider(Start);
        var sandbox = await Bursar.Sandbox.Sandbox.StartAsync(new SandboxOptions { Time = time }, CancellationToken.None);
        var file = Path.Combine(Path.GetTempPath(), $"bursar-unit-{Guid.NewGuid():N}.kubeconfig");
        await sandbox.WriteKubeconfigAsync(file, CancellationToken.None);
        var client = new KubeClient(KubeConfig.FromFile(file), new KubeClientOptions { TimeProvider = time, LoggerFactory = logs });
        File.Delete(file);
        var cluster = new SimulatedCluster(time, sandbox, client) { Logs = logs };
        cluster.Controllers = await BuiltInControllers.StartAsync(client, 1, CancellationToken.None);
        if (options.Fleet.Count > 0)
            cluster.Nodes = await NodeSimulator.StartAsync(client, options, CancellationToken.None);
        return cluster;
    }

    public async ValueTask DisposeAsync()
    {
        if (Nodes is not null)
            await Nodes.DisposeAsync();
        if (Controllers is not null)
            await Controllers.DisposeAsync();
        Client.Dispose();
        await Sandbox.DisposeAsync();
        // A broken controller is retried forever and would appear elsewhere as a world that does not move.
        Logs.Lines.Where(static line => line.StartsWith("Error", StringComparison.Ordinal)).Should().BeEmpty();
    }

    public Task CreateAsync(string path, JsonObject obj) => RequestAsync(HttpMethod.Post, path, obj, "application/json");

    public Task MergeAsync(string path, JsonObject patch) => RequestAsync(HttpMethod.Patch, path, patch, "application/merge-patch+json");

    public async Task<JsonNode> GetAsync(string path) => (await Client.RequestAsync(HttpMethod.Get, path, null, CancellationToken.None))!;

    public async Task<JsonNode> JobAsync(string name) => await GetAsync($"/apis/batch/v1/namespaces/default/jobs/{name}");

    public async Task<IReadOnlyList<JsonNode>> PodsAsync(string? selector = null)
    {
        var query = selector is null ? "" : $"?labelSelector={Uri.EscapeDataString(selector)}";
        var list = await GetAsync($"/api/v1/namespaces/default/pods{query}");
        return
        [
            .. list["items"]!
                .AsArray()
                .Select(static pod => pod!)
                .OrderBy(static pod => (string)pod["metadata"]!["name"]!, StringComparer.Ordinal),
        ];
    }

    public async Task<IReadOnlyList<string>> EventReasonsAsync(string name)
    {
        var list = await GetAsync("/apis/events.k8s.io/v1/namespaces/default/events");
        return
        [
            .. list["items"]!
                .AsArray()
                .Where(happened => (string?)happened!["regarding"]?["name"] == name)
                .Select(static happened => (string)happened!["reason"]!),
        ];
    }

    /// <summary>Lets time pass; nothing is under way afterwards.</summary>
    public Task PassAsync(TimeSpan by) => Time.AdvanceAsync(by);

    /// <summary>A Job of one container with the simulator's annotations on its template.</summary>
    public static JsonObject Job(string name, Action<JsonObject>? spec = null, int gpus = 0, params (string Key, string Value)[] simulation)
    {
        var annotations = new JsonObject();
        foreach (var (key, value) in simulation)
            annotations[SimulationAnnotations.Prefix + key] = value;
        var container = new JsonObject { ["name"] = "main", ["image"] = "work:1" };
        if (gpus > 0)
            container["resources"] = new JsonObject { ["limits"] = new JsonObject { ["nvidia.com/gpu"] = $"{gpus}" } };
        var job = new JsonObject
        {
            ["apiVersion"] = "batch/v1",
            ["kind"] = "Job",
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "default" },
            ["spec"] = new JsonObject
            {
                ["template"] = new JsonObject
                {
                    ["metadata"] = new JsonObject { ["annotations"] = annotations },
                    ["spec"] = new JsonObject { ["restartPolicy"] = "Never", ["containers"] = new JsonArray(container) },
                },
            },
        };
        spec?.Invoke(job["spec"]!.AsObject());
        return job;
    }

    public Task CreateJobAsync(JsonObject job) => CreateAsync("/apis/batch/v1/namespaces/default/jobs", job);

    public Task SuspendAsync(string job, bool suspend) =>
        MergeAsync($"/apis/batch/v1/namespaces/default/jobs/{job}", new JsonObject { ["spec"] = new JsonObject { ["suspend"] = suspend } });

    public static string? Condition(JsonNode obj, string type) =>
        (string?)obj["status"]?["conditions"]?.AsArray().FirstOrDefault(condition => (string?)condition!["type"] == type)?["status"];

    private async Task RequestAsync(HttpMethod method, string path, JsonObject body, string type)
    {
        using var content = new StringContent(body.ToJsonString());
        content.Headers.ContentType = new(type);
        await Client.RequestAsync(method, path, content, CancellationToken.None);
    }
}
