using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Nodes;

/// <summary>The simulator is an ordinary client: what it does on the Sandbox it does on a real API server too.</summary>
public sealed class RealApiServerTests
{
    [SkippableFact]
    public async Task Pod_is_bound_runs_trains_and_ends_on_a_real_api_server()
    {
        Skip.IfNot(ControlPlane.IsPresent, ControlPlane.Absent);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var ct = limit.Token;
        await using var server = await ControlPlane.StartAsync(null, withScheduler: false, withServiceAccounts: false, ct);
        using var client = new KubeClient(KubeConfig.FromFile(server.KubeconfigPath));
        await using var nodes = await NodeSimulator.StartAsync(
            client,
            new NodeSimulatorOptions { Fleet = [new FleetNode { Name = "v100-1", Gpus = 2 }], ImagePull = TimeSpan.FromMilliseconds(100) },
            ct
        );
        var pod = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Pod",
            ["metadata"] = new JsonObject
            {
                ["name"] = "train",
                ["namespace"] = "default",
                ["annotations"] = new JsonObject
                {
                    [SimulationAnnotations.Work] = "training",
                    [SimulationAnnotations.Steps] = "1000000",
                    [SimulationAnnotations.StepTime] = "10ms",
                    [SimulationAnnotations.TermTime] = "200ms",
                },
            },
            ["spec"] = new JsonObject
            {
                ["restartPolicy"] = "Never",
                ["terminationGracePeriodSeconds"] = 5,
                // The control plane under test has no controller that would take the taint of a new node away.
                ["tolerations"] = new JsonArray(new JsonObject { ["operator"] = "Exists" }),
                ["containers"] = new JsonArray(
                    new JsonObject
                    {
                        ["name"] = "main",
                        ["image"] = "train:1",
                        ["resources"] = new JsonObject { ["limits"] = new JsonObject { ["nvidia.com/gpu"] = "2" } },
                    }
                ),
            },
        };
        await client.CreateAsync<NodePod>(pod, "default", ct);

        await UntilAsync(async () => (await client.GetAsync<NodePod>("train", "default", ct)).Status.Phase == "Running", ct);
        await UntilAsync(() => Task.FromResult(nodes.Find("default", "train")?.Step > 10), ct);
        var running = await client.GetAsync<NodePod>("train", "default", ct);
        await client.DeleteAsync<NodePod>("train", "default", null, ct);
        await UntilAsync(async () => await client.GetOrNullAsync<NodePod>("train", "default", ct) is null, ct);
        var node = await client.GetAsync<V1Node>("v100-1", null, ct);
        var lease = await client.GetAsync<V1Lease>("v100-1", "kube-node-lease", ct);

        running.Spec.NodeName.Should().Be("v100-1");
        running.Status.PodIP.Should().StartWith("127.");
        running.Status.Conditions.Should().Contain(condition => condition.Type == "Ready" && condition.Status == "True");
        node.Metadata.Labels["nvidia.com/gpu.product"].Should().Be("Tesla-V100-SXM2-16GB");
        lease.Spec.HolderIdentity.Should().Be("v100-1");
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, CancellationToken ct)
    {
        while (!await condition())
            await Task.Delay(50, ct);
    }
}
