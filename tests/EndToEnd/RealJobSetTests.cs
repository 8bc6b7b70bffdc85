using System.Diagnostics;
using System.Text;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// Beside JobSet's own controller on a real control plane. <c>BURSAR_TEST_JOBSET</c> names a program that, given <c>KUBECONFIG</c>, runs
/// that controller until it is killed, and <c>BURSAR_TEST_CRDS</c> a folder with JobSet's CRD; without them these tests are skipped.
/// </summary>
public sealed class RealJobSetTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [SkippableTheory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(143)]
    public async Task JobSet_is_suspended_whole_for_any_exit_code_and_completes_after_its_resume(int termExitCode)
    {
        var (program, folder) = (
            Environment.GetEnvironmentVariable("BURSAR_TEST_JOBSET"),
            Environment.GetEnvironmentVariable("BURSAR_TEST_CRDS")
        );
        Skip.If(
            string.IsNullOrEmpty(program) || string.IsNullOrEmpty(folder),
            "BURSAR_TEST_JOBSET and BURSAR_TEST_CRDS name no controller and CRD of JobSet"
        );
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
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        await world.Client.RequestAsync(
            HttpMethod.Post,
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            new StringContent(
                await File.ReadAllTextAsync(Path.Combine(folder!, "jobset.x-k8s.io_jobsets.yaml"), Ct),
                Encoding.UTF8,
                "application/yaml"
            ),
            Ct
        );
        await Kinds.UntilServedAsync(world, V1Alpha2JobSet.EntityKind);
        using var controller = Process.Start(
            new ProcessStartInfo(program!) { Environment = { ["KUBECONFIG"] = world.Plane.KubeconfigPath } }
        )!;
        try
        {
            var scene = await Scene.OpenAsync(world, "gang");
            await world.StartOperatorAsync(Ct);
            await PlayAsync(scene, termExitCode);
        }
        finally
        {
            controller.Kill(entireProcessTree: true);
            await controller.WaitForExitAsync(Ct);
        }
    }

    private static async Task PlayAsync(Scene scene, int termExitCode)
    {
        await scene.BudgetAsync("100");
        // The spec states the defaults of JobSet's webhook, because the controller may run without it and panics without spec.network.
        // Two Jobs of one pod each, without a retry, so that whatever is
        // counted as a failure ends it.
        var spec = $$$$$$$$"""
            {"failurePolicy": {"maxRestarts": 0}, "successPolicy": {"operator": "All"}, "startupPolicy": {"startupPolicyOrder": "AnyOrder"}, "network": {"enableDNSHostnames": true, "publishNotReadyAddresses": true}, "replicatedJobs": [{"name": "w", "replicas": 2, "template": {"spec": {"backoffLimit": 0, "completions": 1, "parallelism": 1, "template": {
              "metadata": {"annotations": {"sim.bursar.dev/run-for": "25s", "sim.bursar.dev/term-exit-code": "{{{{{{{{termExitCode}}}}}}}}"}},
              "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}}]}
            """;
        await Kinds.CreateAsync(scene, "JobSet", "tune", spec, declared: "1h");
        await scene.UntilAsync("both run", async () =>
            (await JobsAsync(scene)).Count(job => job.Status.Active == 1) == 2
            && (await scene.StatusAsync())?.Workloads is [{ Kind: "JobSet", State: "Running", Gpus: 2 }]
        );

        await scene.SetLimitAsync("0.0001");
        await Kinds.UntilSuspendedAsync(scene, "JobSet", "tune");
        await scene.UntilAsync("its controller stops its Jobs", async () =>
            (await JobsAsync(scene)).All(job => job.Spec.Suspend == true && job.Status.Condition("Suspended") is { Status: "True" })
        );
        await scene.UntilAsync("its pods are gone", async () =>
            (await scene.World.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Count == 0
        );
        (await JobsAsync(scene)).Should().OnlyContain(job => (job.Status.Failed ?? 0) == 0 && (job.Status.Succeeded ?? 0) == 0);
        (await Kinds.GetAsync(scene, "JobSet", "tune"))["status"]?["terminalState"].Should().BeNull();

        await scene.SetLimitAsync("100");
        await scene.UntilAsync("it is restored", async () => await Kinds.SuspendFieldAsync(scene, "JobSet", "tune") != true);
        await scene.UntilAsync("both run again", async () => (await JobsAsync(scene)).Count(job => job.Status.Active == 1) == 2);
        await scene.UntilAsync(
            "it completes",
            async () => (string?)(await Kinds.GetAsync(scene, "JobSet", "tune"))["status"]?["terminalState"] == "Completed",
            TimeSpan.FromMinutes(2)
        );
        ((int?)(await Kinds.GetAsync(scene, "JobSet", "tune"))["status"]?["restarts"] ?? 0).Should().Be(0);
    }

    private static async Task<IReadOnlyList<V1Job>> JobsAsync(Scene scene) =>
        [.. (await scene.World.Client.ListAsync<V1Job>(new() { Namespace = scene.Team }, Ct)).Items];
}
