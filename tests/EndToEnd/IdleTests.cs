using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Workloads whose GPUs do nothing, as the nodes' agents measure it: reported, suspended, and resumed by their users.</summary>
public sealed class IdleTests
{
    private const string Suspend = """{"idle": {"after": "5m", "action": "Suspend"}}""";
    private const string Stopped = "kubeflow-resource-stopped";

    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Idle_job_is_suspended_and_resumes_when_its_user_approves()
    {
        var scene = await AgentsAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100", Suspend);
        await RunAsync(scene, "sleeps", busy: "0");
        await RunAsync(scene, "works", busy: "0.9");
        await scene.UntilRunsAsync("sleeps");
        await scene.PassAsync(240);
        (await scene.IsSuspendedAsync("sleeps")).Should().BeFalse("it has not been idle for five minutes");

        await scene.UntilSuspendedAsync("sleeps", TimeSpan.FromMinutes(4));
        var suspended = await scene.UntilEventAsync("Suspended", "sleeps");
        suspended.Note.Should().ContainAll("less than 3 %", "bursar.dev/resume: approved");
        await scene.UntilAsync("the status says why", async () =>
            (await scene.StatusAsync())?.Suspended is [{ Name: "sleeps", Reason: "Idle" }]
        );
        await scene.SetLimitAsync("200");
        await scene.PassAsync(900);
        (await scene.IsSuspendedAsync("sleeps")).Should().BeTrue("neither budget nor time resumes it");
        (await scene.IsSuspendedAsync("works")).Should().BeFalse();

        await scene.World.Client.PatchAsync<V1Job>(
            "sleeps",
            scene.Team,
            KubePatch.Merge(
                new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["bursar.dev/resume"] = "approved" } } }
            ),
            Ct
        );
        await scene.UntilResumedAsync("sleeps");
    }

    [Fact]
    public async Task Idle_notebook_is_stopped_by_its_annotation_and_a_bare_pod_is_reported()
    {
        var scene = await AgentsAsync();
        await using var world = scene.World;
        await FakeManager.ServeAsync(scene, V1Notebook.EntityKind);
        var kubeflow = new FakeKubeflow(scene);
        await scene.BudgetAsync("100", Suspend);
        await kubeflow.CreateAsync("lab");
        await scene.CreateAsync(V1Pod.EntityKind.Path(scene.Team), Pod("shell", null));
        await kubeflow.UntilAsync("both cost something", async () =>
            (await scene.StatusAsync())?.Workloads is { Count: 2 } all && all.All(one => one is { State: "Running", Class: "interactive" })
        );

        await kubeflow.UntilAsync("the notebook is stopped", async () => await StopOf(kubeflow) is not null, TimeSpan.FromMinutes(10));
        Rfc3339.TryParse((await StopOf(kubeflow))!, out var at).Should().BeTrue("Kubeflow writes the time of the stop");
        at.Should().BeWithin(TimeSpan.FromMinutes(1)).Before(world.Time.GetUtcNow());
        await kubeflow.UntilAsync("the pod is reported", async () =>
            (await scene.StatusAsync())?.Workloads?.SingleOrDefault(one => one.Name == "shell") is { State: "Running", IdleSince: not null }
        );
        await kubeflow.PassAsync(120);
        (await scene.EventsAsync("IdleGpus", "shell")).Should().HaveCount(1);
        (await scene.EventsAsync("ScaledToZero", "lab")).Should().HaveCount(1);

        // Its user starts it in Kubeflow.
        await world.Client.PatchAsync<V1Notebook>(
            "lab",
            scene.Team,
            KubePatch.Merge(new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Stopped] = null } } }),
            Ct
        );
        await kubeflow.UntilAsync("it runs and no record is left", async () =>
            (await scene.StatusAsync()) is { SuspendedCount: 0 } status
            && status.Workloads!.Any(one => one is { Name: "lab", State: "Running" })
        );
        await kubeflow.UntilAsync("it is stopped again", async () => await StopOf(kubeflow) is not null, TimeSpan.FromMinutes(10));

        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("b", scene.Team, null, Ct);
        await kubeflow.UntilAsync("it is restored", async () => await StopOf(kubeflow) is null, TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task Advice_of_the_report_is_in_the_status()
    {
        var scene = await AgentsAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await RunAsync(scene, "sleeps", busy: "0.05");
        await RunAsync(scene, "works", busy: "0.7");

        await scene.UntilAsync("the status advises", async () => (await scene.StatusAsync())?.Advice is not null, TimeSpan.FromMinutes(30));
        var advice = (await scene.StatusAsync())!.Advice!.Where(one => one.Text!.Contains("give it fewer GPUs", StringComparison.Ordinal));
        advice.Should().ContainSingle().Which.Should().Match<GpuBudgetAdvice>(one => one.Kind == "Job" && one.Name == "sleeps");
    }

    private static async Task<string?> StopOf(FakeKubeflow kubeflow) =>
        (string?)(await kubeflow.GetAsync(V1Notebook.EntityKind, "lab"))!["metadata"]!["annotations"]?[Stopped];

    private static Task RunAsync(Scene scene, string name, string busy) =>
        scene.World.CreateJobAsync(scene.Team, name, 1, Ct, ("sim.bursar.dev/run-for", "10h"), ("sim.bursar.dev/busy", busy));

    private static string Pod(string name, string? statefulSetUid) =>
        new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Pod",
            ["metadata"] = new JsonObject
            {
                ["name"] = name,
                ["labels"] = statefulSetUid is null ? null : new JsonObject { ["notebook-name"] = "lab" },
                ["annotations"] = new JsonObject { ["sim.bursar.dev/busy"] = "0" },
                ["ownerReferences"] = statefulSetUid is null
                    ? null
                    : new JsonArray(
                        new JsonObject
                        {
                            ["apiVersion"] = "apps/v1",
                            ["kind"] = "StatefulSet",
                            ["name"] = "lab",
                            ["uid"] = statefulSetUid,
                            ["controller"] = true,
                        }
                    ),
            },
            ["spec"] = JsonNode.Parse(FakeKubeflow.Spec),
        }.ToJsonString();

    private static async Task<Scene> AgentsAsync()
    {
        var world = await ClusterWorld.StartAsync(
            real: false,
            new AgentPlacement(),
            Ct,
            new FleetNode
            {
                Name = "gpu-1",
                Gpu = SimulatedGpuModel.V100,
                Gpus = 4,
            }
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(Ct);
        return scene;
    }

    /// <summary>
    /// Kubeflow's notebook-controller (components/notebook-controller/controllers/notebook_controller.go) together with the controller of
    /// its StatefulSets: a pod while the Notebook has no stop annotation.
    /// </summary>
    private sealed class FakeKubeflow(Scene scene) : FakeManager(scene)
    {
        public const string Spec =
            """{"terminationGracePeriodSeconds": 5, "containers": [{"name": "lab", "image": "example/jupyter", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}""";

        public async Task CreateAsync(string name)
        {
            await Scene.CreateAsync(
                V1Notebook.EntityKind.Path(Scene.Team),
                $$$$"""{"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": "{{{{name}}}}"}, "spec": {"template": {"spec": {{{{Spec}}}}}}}"""
            );
            var uid = (string)(await GetAsync(V1Notebook.EntityKind, name))!["metadata"]!["uid"]!;
            await Scene.CreateAsync(
                V1StatefulSet.EntityKind.Path(Scene.Team),
                $$$$"""
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "{{{{name}}}}",
                   "ownerReferences": [{"apiVersion": "kubeflow.org/v1beta1", "kind": "Notebook", "name": "{{{{name}}}}", "uid": "{{{{uid}}}}", "controller": true}]},
                 "spec": {"replicas": 1, "serviceName": "{{{{name}}}}", "selector": {"matchLabels": {"notebook-name": "{{{{name}}}}"}},
                   "template": {"metadata": {"labels": {"notebook-name": "{{{{name}}}}"}}, "spec": {{{{Spec}}}}}}}
                """
            );
        }

        public override async Task RunPassAsync()
        {
            foreach (var notebook in await ListAsync(V1Notebook.EntityKind))
            {
                var name = (string)notebook["metadata"]!["name"]!;
                var isStopped = notebook["metadata"]!["annotations"]?[Stopped] is not null;
                var pod = await GetAsync(V1Pod.EntityKind, $"{name}-0");
                if (isStopped && pod is not null && pod["metadata"]!["deletionTimestamp"] is null)
                    await Scene.World.Client.DeleteAsync<V1Pod>($"{name}-0", Scene.Team, null, Ct);
                else if (!isStopped && pod is null)
                    await Scene.CreateAsync(
                        V1Pod.EntityKind.Path(Scene.Team),
                        Pod($"{name}-0", (string)(await GetAsync(V1StatefulSet.EntityKind, name))!["metadata"]!["uid"]!)
                    );
            }
        }
    }
}
