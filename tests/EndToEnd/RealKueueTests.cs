using System.Diagnostics;
using System.Text.Json.Nodes;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.ApiServer;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// Beside a real Kueue manager on a real control plane. <c>BURSAR_TEST_KUEUE</c> names a program that, given <c>KUBECONFIG</c>, installs
/// Kueue's kinds and webhooks (for batch/v1 Jobs) and runs its manager until it is killed; without it these tests are skipped.
/// </summary>
public sealed class RealKueueTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [SkippableFact]
    public async Task Job_over_budget_stays_suspended_until_a_top_up_with_one_change_each_way()
    {
        var program = Environment.GetEnvironmentVariable("BURSAR_TEST_KUEUE");
        Skip.If(string.IsNullOrEmpty(program), "BURSAR_TEST_KUEUE names no program that runs Kueue");
        Skip.IfNot(ControlPlane.IsPresent, ControlPlane.Absent);
        await using var world = (RealWorld)
            await ClusterWorld.StartAsync(
                real: true,
                Ct,
                new FleetNode
                {
                    Name = "gpu-1",
                    Gpu = SimulatedGpuModel.V100,
                    Gpus = 8,
                }
            );
        using var manager = Process.Start(
            new ProcessStartInfo(program!) { Environment = { ["KUBECONFIG"] = world.Plane.KubeconfigPath } }
        )!;
        try
        {
            var scene = await Scene.OpenAsync(world, "kueue");
            await QueueAsync(scene);
            await world.CreateBookAsync("*V100*", "3.06", Ct);
            await world.StartOperatorAsync(Ct);
            await PlayAsync(scene);
        }
        finally
        {
            manager.Kill(entireProcessTree: true);
            await manager.WaitForExitAsync(Ct);
        }
    }

    private static async Task PlayAsync(Scene scene)
    {
        var world = scene.World;
        var changes = new Dictionary<string, List<bool>>(StringComparer.Ordinal);
        var jobs = new Informer<V1Job>(world.Client, new() { Namespace = scene.Team });
        jobs.AddHandler(
            new()
            {
                Updated = (before, now) =>
                {
                    if ((before.Spec.Suspend == true) == (now.Spec.Suspend == true))
                        return;
                    lock (changes)
                    {
                        if (!changes.TryGetValue(now.Metadata.Name, out var list))
                            changes.Add(now.Metadata.Name, list = []);
                        list.Add(now.Spec.Suspend == true);
                    }
                },
            }
        );
        bool[] ChangesOf(string job)
        {
            lock (changes)
                return changes.TryGetValue(job, out var list) ? [.. list] : [];
        }
        using var watching = new CancellationTokenSource();
        var watch = jobs.RunAsync(watching.Token);
        try
        {
            await jobs.HasSyncedAsync(Ct);
            // Near the end of a month, only a part of the 100 hours below counts against that month.
            var now = scene.World.Time.GetUtcNow();
            await scene.BudgetAsync(
                "100",
                $$$"""{"window": {"period": "Once", "start": "{{{Rfc3339.Format(now.AddDays(-1))}}}", "end": "{{{Rfc3339.Format(now.AddDays(30))}}}"}}"""
            );
            await JobAsync(scene, "train", "1h");
            await scene.UntilRunsAsync("train");
            ChangesOf("train").Should().Equal(false);

            // The behavior of Kueue that Bursar must not trigger.
            await scene.SuspendAsync("train", true);
            await scene.UntilAsync("Kueue has undone it", () => Task.FromResult(ChangesOf("train").Length == 3));
            await scene.UntilRunsAsync("train");

            await scene.SetLimitAsync("0.0001");
            await scene.UntilSuspendedAsync("train");
            await scene.PassAsync(8);
            ChangesOf("train")[3..].Should().Equal(true);
            (await scene.StatusAsync())!.Suspended.Should().ContainSingle(s => s.Kind == "Job" && s.Name == "train");
            await scene.SetLimitAsync("100");
            await scene.UntilRunsAsync("train");
            await scene.PassAsync(4);
            ChangesOf("train")[3..].Should().Equal(true, false);

            // Asked before it starts.
            await scene.CreateAsync(
                V1AdmissionCheck.EntityKind.Path(null),
                """{"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "AdmissionCheck", "metadata": {"name": "budget"}, "spec": {"controllerName": "bursar.dev/budget"}}"""
            );
            await scene.UntilAsync("the check is active", async () =>
                (await world.Client.GetAsync<V1AdmissionCheck>("budget", null, Ct)).Status.Conditions.Any(c =>
                    c is { Type: "Active", Status: "True" }
                )
            );
            using var checks = new StringContent(
                """{"spec": {"admissionChecksStrategy": {"admissionChecks": [{"name": "budget"}]}}}""",
                System.Text.Encoding.UTF8,
                "application/merge-patch+json"
            );
            await world.Client.RequestAsync(HttpMethod.Patch, "/apis/kueue.x-k8s.io/v1beta2/clusterqueues/gpus", checks, Ct);
            await scene.UntilAsync("the queue knows it", async () =>
                (await WorkloadOfAsync(scene, "train"))?.Status.AdmissionChecks is [{ State: "Ready" }]
            );
            await JobAsync(scene, "over", "100h");
            await scene.UntilAsync("its Workload is deactivated", async () => (await WorkloadOfAsync(scene, "over"))?.Spec.Active == false);
            await scene.PassAsync(8);
            ChangesOf("over").Should().BeEmpty("it never starts");
            await scene.SetLimitAsync("1000");
            await scene.UntilRunsAsync("over");
            await scene.PassAsync(4);
            ChangesOf("over").Should().Equal(false);
            (await WorkloadOfAsync(scene, "over"))!
                .Status.AdmissionChecks.Should()
                .ContainSingle(check => check.State == "Ready" && check.Message.Contains("306.00 USD", StringComparison.Ordinal));
            ChangesOf("train")[3..].Should().Equal(true, false);
        }
        finally
        {
            await watching.CancelAsync();
            await watch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task QueueAsync(Scene scene)
    {
        await MakeAsync("resourceflavors", null, "{metadata: {name: gpu}}");
        await MakeAsync(
            "clusterqueues",
            null,
            "{metadata: {name: gpus}, spec: {namespaceSelector: {}, resourceGroups: [{coveredResources: [nvidia.com/gpu], flavors: [{name: gpu, resources: [{name: nvidia.com/gpu, nominalQuota: 8}]}]}]}}"
        );
        await MakeAsync("localqueues", scene.Team, "{metadata: {name: gpus}, spec: {clusterQueue: gpus}}");

        // Kueue's kinds and webhooks come up one by one.
        Task MakeAsync(string plural, string? ns, string yaml) =>
            scene.UntilAsync(
                $"{plural} can be made",
                async () =>
                {
                    try
                    {
                        await scene.CreateAsync(
                            $"/apis/kueue.x-k8s.io/v1beta2/{(ns is null ? "" : $"namespaces/{ns}/")}{plural}",
                            Of(
                                yaml,
                                "kueue.x-k8s.io/v1beta2",
                                plural switch
                                {
                                    "resourceflavors" => "ResourceFlavor",
                                    "clusterqueues" => "ClusterQueue",
                                    _ => "LocalQueue",
                                }
                            )
                        );
                        return true;
                    }
                    catch (ApiException error) when (error.IsNotFound || error.StatusCode >= 500)
                    {
                        return false;
                    }
                },
                TimeSpan.FromMinutes(2)
            );
    }

    private static async Task JobAsync(Scene scene, string name, string declared)
    {
        var job = Of(
            $$$"""
            metadata:
              name: {{{name}}}
              labels: {kueue.x-k8s.io/queue-name: gpus}
              annotations:
                bursar.dev/expected-duration: {{{declared}}}
            spec:
              template:
                spec:
                  restartPolicy: Never
                  terminationGracePeriodSeconds: 1
                  containers: [{name: main, image: example/trainer, resources: {limits: {nvidia.com/gpu: "1"} } }]
            """,
            "batch/v1",
            "Job"
        );
        var path = $"/apis/batch/v1/namespaces/{scene.Team}/jobs";
        await scene.UntilAsync(
            "Kueue's webhook holds new jobs",
            async () =>
            {
                try
                {
                    using var content = new StringContent(job, System.Text.Encoding.UTF8, "application/json");
                    return (bool?)
                            (await scene.World.Client.RequestAsync(HttpMethod.Post, $"{path}?dryRun=All", content, Ct))!["spec"]!["suspend"]
                        == true;
                }
                catch (ApiException error) when (error.StatusCode >= 500)
                {
                    return false;
                }
            },
            TimeSpan.FromMinutes(2)
        );
        await scene.CreateAsync(path, job);
    }

    private static string Of(string yaml, string apiVersion, string kind)
    {
        var obj = (JsonObject)YamlBody.Parse(yaml)!;
        obj["apiVersion"] = apiVersion;
        obj["kind"] = kind;
        return obj.ToJsonString();
    }

    private static async Task<V1Workload?> WorkloadOfAsync(Scene scene, string job) =>
        (await scene.World.Client.ListAsync<V1Workload>(new() { Namespace = scene.Team }, Ct)).Items.FirstOrDefault(workload =>
            workload.Metadata.OwnerReferences is [{ Name: var name }, ..] && name == job
        );
}
