using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Money;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>A world with one team's namespace, and the steps of the tests.</summary>
public sealed record Scene(ClusterWorld World, string Team)
{
    public static readonly HourlyCost V100 = HourlyCost.FromDecimal(3.06m);

    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>The embedded cluster with eight V100 at 3.06 an hour.</summary>
    public static async Task<Scene> SandboxAsync(string team = "team", bool startOperator = true, params FleetNode[] more)
    {
        var world = await ClusterWorld.StartAsync(
            real: false,
            Ct,
            [
                new FleetNode
                {
                    Name = "gpu-1",
                    Gpu = SimulatedGpuModel.V100,
                    Gpus = 16,
                },
                .. more,
            ]
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await OpenAsync(world, team);
        if (startOperator)
            await world.StartOperatorAsync(Ct);
        return scene;
    }

    public static async Task<Scene> OpenAsync(ClusterWorld world, string team)
    {
        await world.CreateNamespaceAsync(team, Ct);
        return new(world, team);
    }

    public SandboxWorld Sandbox => (SandboxWorld)World;

    public Task BudgetAsync(string limit, string? spec = null, string name = "b") =>
        World.CreateBudgetAsync(Team, name, limit, Ct, spec is null ? null : JsonNode.Parse(spec)!.AsObject());

    /// <summary>Creates a job that declares its duration.</summary>
    public Task JobAsync(string name, string? declared = null, string? runFor = null)
    {
        var annotations = new List<(string, string)>();
        if (declared is not null)
            annotations.Add(("bursar.dev/expected-duration", declared));
        if (runFor is not null)
            annotations.Add(("sim.bursar.dev/run-for", runFor));
        return World.CreateJobAsync(Team, name, 1, Ct, [.. annotations]);
    }

    /// <summary>Creates the founding example's job: 30,000 steps of 90 ms, reported by annotation.</summary>
    public Task RunawayAsync(string name) =>
        World.CreateJobAsync(
            Team,
            name,
            1,
            Ct,
            ("bursar.dev/total-steps", "30000"),
            ("bursar.dev/expected-duration", "20m"),
            ("sim.bursar.dev/work", "training"),
            ("sim.bursar.dev/steps", "30000"),
            ("sim.bursar.dev/step-time", "90ms"),
            ("sim.bursar.dev/report", "annotation"),
            ("sim.bursar.dev/report-every", "1s")
        );

    public Task CreateAsync(string path, string json) => World.PostJsonAsync(path, JsonNode.Parse(json)!.AsObject(), Ct);

    public async Task<bool> IsSuspendedAsync(string job) => (await World.JobAsync(Team, job, Ct)).Spec.Suspend == true;

    public async Task<bool> RunsAsync(string job) => (await World.JobAsync(Team, job, Ct)).Status.Active == 1;

    public Task UntilSuspendedAsync(string job, TimeSpan? within = null) =>
        UntilAsync($"{job} is suspended", () => IsSuspendedAsync(job), within);

    public Task UntilResumedAsync(string job, TimeSpan? within = null) =>
        UntilAsync($"{job} is resumed", async () => !await IsSuspendedAsync(job), within);

    public Task UntilRunsAsync(string job) => UntilAsync($"{job} runs", () => RunsAsync(job));

    public Task UntilAsync(string what, Func<Task<bool>> holds, TimeSpan? within = null) => World.UntilAsync(what, holds, Ct, within);

    public Task PassAsync(double seconds) => World.PassAsync(TimeSpan.FromSeconds(seconds), Ct);

    public async Task<GpuBudgetStatus?> StatusAsync(string name = "b") => (await World.BudgetAsync(Team, name, Ct)).Status;

    public async Task<V1Condition?> ConditionAsync(string type, string name = "b") =>
        (await StatusAsync(name))?.Conditions?.FirstOrDefault(c => c.Type == type);

    /// <summary>Waits for a condition's value.</summary>
    public Task UntilConditionAsync(string type, string status, string name = "b", TimeSpan? within = null) =>
        UntilAsync($"{type} of {name} is {status}", async () => (await ConditionAsync(type, name))?.Status == status, within);

    public Task SetLimitAsync(string limit, string name = "b") => World.SetLimitAsync(Team, name, limit, Ct);

    public Task SuspendAsync(string job, bool suspend) =>
        World.Client.PatchAsync<V1Job>(
            job,
            Team,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["suspend"] = suspend } }),
            Ct
        );

    public async Task<int> ReplicasAsync(string deployment) =>
        (await World.Client.GetAsync<V1Deployment>(deployment, Team, Ct)).Spec.Replicas ?? 1;

    /// <summary>Bursar's own Events of a reason about an object.</summary>
    public async Task<IReadOnlyList<V1Event>> EventsAsync(string reason, string? name = null) =>
        [
            .. (await World.EventsAsync(Team, Ct)).Where(e =>
                e.ReportingController == "bursar.dev/operator" && e.Reason == reason && (name is null || e.Regarding?.Name == name)
            ),
        ];

    /// <summary>Waits for an Event of Bursar's.</summary>
    public async Task<V1Event> UntilEventAsync(string reason, string name)
    {
        await UntilAsync($"an Event {reason} names {name}", async () => (await EventsAsync(reason, name)).Count > 0);
        return (await EventsAsync(reason, name))[0];
    }

    public Task SetControlAsync(string key, string? value) =>
        value is null
            ? World.Client.DeleteAsync<V1ConfigMap>("bursar-control", ClusterWorld.OwnNamespace, null, Ct)
            : CreateAsync(
                $"/api/v1/namespaces/{ClusterWorld.OwnNamespace}/configmaps",
                new JsonObject
                {
                    ["apiVersion"] = "v1",
                    ["kind"] = "ConfigMap",
                    ["metadata"] = new JsonObject { ["name"] = "bursar-control" },
                    ["data"] = new JsonObject { [key] = value },
                }.ToJsonString()
            );

    /// <summary>The spending in the ledger of the running operator, once no pod costs anything any more.</summary>
    public async Task<string> FinalSpentAsync(string name = "b")
    {
        JsonObject? everything = [];
        await UntilAsync(
            "no pod costs anything any more",
            async () =>
            {
                if (await StatusAsync(name) is { BurnRatePerHour: "0.00" })
                    return true;
                if (World is RealWorld)
                {
                    // Virtual time is not available: a changed spec makes the operator write the status at once, and an absent selector
                    // means the same as one that selects everything.
                    await World.Client.PatchAsync<V1Alpha1GpuBudget>(
                        name,
                        Team,
                        KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["selector"] = everything } }),
                        Ct
                    );
                    everything = everything is null ? [] : null;
                }
                return false;
            },
            TimeSpan.FromSeconds(180)
        );
        return (await StatusAsync(name))!.Spent!;
    }
}
