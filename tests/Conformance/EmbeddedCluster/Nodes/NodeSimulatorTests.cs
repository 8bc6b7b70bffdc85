using System.Net;
using System.Text.Json.Nodes;
using Bursar.Agent.Nvml;
using Bursar.Agent.Scrape;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.SimulatedCluster;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Nodes;

public sealed class NodeSimulatorTests
{
    private static readonly FleetNode V100 = new()
    {
        Name = "v100-1",
        Gpus = 4,
        Gpu = SimulatedGpuModel.V100,
    };
    private static readonly FleetNode H100 = new()
    {
        Name = "h100-1",
        Gpus = 2,
        Gpu = SimulatedGpuModel.H100,
        InstanceType = "p5.48xlarge",
    };

    [Fact]
    public async Task Nodes_are_ready_with_their_gpus_labels_and_leases()
    {
        await using var cluster = await StartAsync(V100, H100);
        await cluster.PassAsync(TimeSpan.FromSeconds(25));

        var node = await cluster.GetAsync("/api/v1/nodes/h100-1");
        var lease = await cluster.GetAsync("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/h100-1");

        Condition(node, "Ready").Should().Be("True");
        ((string?)node["status"]!["allocatable"]!["nvidia.com/gpu"]).Should().Be("2");
        ((string?)node["metadata"]!["labels"]!["nvidia.com/gpu.product"]).Should().Be("NVIDIA-H100-80GB-HBM3");
        ((string?)node["metadata"]!["labels"]!["node.kubernetes.io/instance-type"]).Should().Be("p5.48xlarge");
        DateTimeOffset.Parse((string)lease["spec"]!["renewTime"]!).Should().Be(Start.AddSeconds(20));
    }

    [Fact]
    public async Task Pods_go_to_the_first_node_that_fits_and_wait_while_none_does()
    {
        await using var cluster = await StartAsync(V100, H100);
        await cluster.CreateJobAsync(Job("big", null, gpus: 3, ("run-for", "60s")));
        await cluster.CreateJobAsync(
            Job(
                "chosen",
                spec =>
                    spec["template"]!["spec"]!["nodeSelector"] = new JsonObject { ["nvidia.com/gpu.product"] = "NVIDIA-H100-80GB-HBM3" },
                gpus: 1,
                ("run-for", "1h")
            )
        );
        await cluster.PassAsync(TimeSpan.FromSeconds(5));
        await cluster.CreateJobAsync(Job("late", null, gpus: 4, ("run-for", "60s")));
        await cluster.PassAsync(TimeSpan.FromSeconds(5));
        var waiting = (await cluster.PodsAsync("job-name=late")).Single();
        var big = (await cluster.PodsAsync("job-name=big")).Single();
        var chosen = (await cluster.PodsAsync("job-name=chosen")).Single();
        await cluster.PassAsync(TimeSpan.FromSeconds(60));
        var bound = (await cluster.PodsAsync("job-name=late")).Single();

        ((string?)big["spec"]!["nodeName"]).Should().Be("v100-1");
        ((string?)chosen["spec"]!["nodeName"]).Should().Be("h100-1");
        ((string?)big["status"]!["podIP"]).Should().StartWith("127.").And.NotBe((string?)chosen["status"]!["podIP"]);
        Condition(waiting, "PodScheduled").Should().Be("False");
        waiting["status"]!["conditions"]![0]!["message"]!.GetValue<string>().Should().Contain("2 Insufficient nvidia.com/gpu");
        ((string?)bound["spec"]!["nodeName"]).Should().Be("v100-1");
        ((string?)bound["status"]!["phase"]).Should().Be("Running");
        cluster.Nodes!.Find("default", (string)bound["metadata"]!["name"]!)!.Devices.Should().HaveCount(4);
    }

    [Fact]
    public async Task Pod_that_needs_longer_than_its_grace_is_killed()
    {
        await using var cluster = await StartAsync(V100);
        await cluster.CreateJobAsync(
            Job(
                "work",
                spec => spec["template"]!["spec"]!["terminationGracePeriodSeconds"] = 10,
                gpus: 1,
                ("run-for", "1h"),
                ("term-time", "1m")
            )
        );
        await cluster.PassAsync(TimeSpan.FromSeconds(20));
        var name = (string)(await cluster.PodsAsync()).Single()["metadata"]!["name"]!;

        await cluster.SuspendAsync("work", true);
        await cluster.PassAsync(TimeSpan.FromSeconds(9));
        var during = cluster.Nodes!.Find("default", name);
        await cluster.PassAsync(TimeSpan.FromSeconds(2));

        during!.IsRunning.Should().BeTrue();
        (await cluster.PodsAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task Training_continues_from_its_last_checkpoint_after_a_suspension()
    {
        await using var cluster = await StartAsync(V100);
        await cluster.CreateJobAsync(
            Job(
                "train",
                null,
                gpus: 1,
                ("work", "training"),
                ("steps", "30000"),
                ("step-time", "90ms"),
                ("checkpoint-every", "500"),
                ("report", "annotation,metric"),
                ("report-every", "10s")
            )
        );

        // 2 s of pull, then 100 s of steps: 1,111 of them, the last checkpoint at 1,000.
        await cluster.PassAsync(TimeSpan.FromSeconds(102));
        var pod = cluster.Nodes!.Pods().Single();
        var page = await GetPageAsync(pod.Address, 9000);
        var annotation = (string?)(await cluster.JobAsync("train"))["metadata"]!["annotations"]!["bursar.dev/progress"];
        await cluster.SuspendAsync("train", true);
        await cluster.PassAsync(TimeSpan.FromMinutes(5));
        await cluster.SuspendAsync("train", false);
        await cluster.PassAsync(TimeSpan.FromSeconds(11));

        pod.Step.Should().Be(1111);
        var scraped = ExpositionReader.ReadProgress(page, new ScrapeOptions());
        scraped.Progress!.Step.Should().Be(1111);
        scraped.Progress.Total.Should().Be(30_000);
        scraped.Progress.CheckpointAt.Should().Be(Start.AddSeconds(92));
        annotation.Should().Be("1111/30000");
        cluster.Nodes.Pods().Single().Step.Should().Be(1100);

        await cluster.PassAsync(TimeSpan.FromHours(1));
        Condition(await cluster.JobAsync("train"), "Complete").Should().Be("True");
    }

    [Fact]
    public async Task Inference_is_ready_once_it_serves_and_its_page_reads_as_vllm()
    {
        await using var cluster = await StartAsync(H100);
        await cluster.CreateJobAsync(
            Job(
                "chat",
                null,
                gpus: 1,
                ("work", "inference"),
                ("startup", "30s"),
                ("model", "llama"),
                ("tokens-per-second", "1000"),
                ("busy", "0.5"),
                ("waiting", "3")
            )
        );

        await cluster.PassAsync(TimeSpan.FromSeconds(20));
        var loading = (await cluster.PodsAsync()).Single();
        await cluster.PassAsync(TimeSpan.FromSeconds(72));
        var serving = (await cluster.PodsAsync()).Single();
        var page = new ServingReader(ServingMetrics.Known).Read(
            await GetPageAsync(IPAddress.Parse((string)serving["status"]!["podIP"]!), 8000)
        );

        Condition(loading, "Ready").Should().Be("False");
        Condition(serving, "Ready").Should().Be("True");
        page.Outcome.Should().Be(ScrapeOutcome.Ok);
        page.Tokens.Should().Equal(new ModelTokens("llama", 240_000, null, 60_000, 300));
        page.Gauges!.Waiting.Should().Be(3);
        page.Gauges.CacheUse.Should().Be(0.5);
    }

    [Fact]
    public async Task Lost_node_reports_nothing_until_it_returns()
    {
        await using var cluster = await StartAsync(V100);
        await cluster.CreateJobAsync(Job("work", null, gpus: 1, ("run-for", "60s")));
        await cluster.PassAsync(TimeSpan.FromSeconds(21));

        cluster.Nodes!.LoseNode("v100-1");
        await cluster.PassAsync(TimeSpan.FromSeconds(100));
        var lost = await cluster.GetAsync("/api/v1/nodes/v100-1");
        var lease = await cluster.GetAsync("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/v100-1");
        var unheard = (await cluster.PodsAsync()).Single();
        cluster.Nodes.ReturnNode("v100-1");
        await cluster.PassAsync(TimeSpan.FromSeconds(1));
        var back = await cluster.GetAsync("/api/v1/nodes/v100-1");
        var ended = (await cluster.PodsAsync()).Single();

        Condition(lost, "Ready").Should().Be("Unknown");
        DateTimeOffset.Parse((string)lease["spec"]!["renewTime"]!).Should().Be(Start.AddSeconds(20));
        ((string?)unheard["status"]!["phase"]).Should().Be("Running");
        Condition(back, "Ready").Should().Be("True");
        ((string?)ended["status"]!["phase"]).Should().Be("Succeeded");
        ((string?)ended["status"]!["containerStatuses"]![0]!["state"]!["terminated"]!["finishedAt"]).Should().Be("2026-11-02T08:01:02Z");
    }

    [Fact]
    public async Task Agents_see_the_devices_their_holders_and_the_energy()
    {
        await using var cluster = await StartAsync(new NodeSimulatorOptions { Fleet = [V100], Agents = new AgentPlacement() });
        await cluster.PassAsync(TimeSpan.FromSeconds(5));
        await cluster.CreateJobAsync(Job("work", null, gpus: 2, ("run-for", "1h"), ("busy", "0.5")));

        await cluster.PassAsync(TimeSpan.FromMinutes(2));

        var agentPod = (await cluster.GetAsync("/api/v1/namespaces/bursar-agents/pods"))["items"]!.AsArray().Single()!;
        Condition(agentPod, "Ready").Should().Be("True");
        ((string?)agentPod["metadata"]!["labels"]!["app.kubernetes.io/name"]).Should().Be("bursar-agent");
        var view = cluster.Nodes!.Agent("v100-1")!.Sampler.View!;
        view.Gpus.State.Should().Be(NvmlState.Ready);
        view.Holdings.Should().HaveCount(2);
        var work = cluster.Nodes.Pods().Single(pod => pod.Namespace == "default");
        view.Holdings.Should().OnlyContain(holding => holding.PodUid == work.Uid);
        var used = view.Gpus.Devices.Single(device => device.Uuid == work.Devices[0]);
        used.UtilizationPercent.Should().Be(50);
        // 40 W idle, 300 W at full load: half the time busy is 170 W, from second 7 on.
        var seconds = (view.At - Start).TotalSeconds;
        used.EnergyMillijoules!.Value.Should().BeCloseTo((long)((40 * seconds + 130 * (seconds - 7)) * 1000), 2000UL);
        var free = view.Gpus.Devices.First(device => !work.Devices.Contains(device.Uuid));
        free.UtilizationPercent.Should().Be(0);
        (await GetPageAsync(IPAddress.Parse((string)agentPod["status"]!["podIP"]!), 9464)).Should().NotBeEmpty();
    }

    [Fact]
    public async Task Progress_reaches_the_agent_from_the_pods_own_address()
    {
        await using var cluster = await StartAsync(new NodeSimulatorOptions { Fleet = [V100], Agents = new AgentPlacement() });
        await cluster.CreateJobAsync(Job("train", null, gpus: 1, ("work", "training"), ("step-time", "100ms"), ("report", "post")));
        await cluster.PassAsync(TimeSpan.FromSeconds(5));
        var pod = cluster.Nodes!.Pods().Single(candidate => candidate.Namespace == "default");
        var agent = cluster.Nodes.Agent("v100-1")!;
        agent.Targets.Replace(
            new Bursar.Core.Usage.TargetList
            {
                Revision = "1",
                Pods =
                [
                    new Bursar.Core.Usage.TargetPod
                    {
                        Uid = pod.Uid,
                        Namespace = pod.Namespace,
                        Name = pod.Name,
                        Ips = [pod.Address.ToString()],
                    },
                ],
            }
        );

        await cluster.PassAsync(TimeSpan.FromSeconds(30));

        var metrics = System.Text.Encoding.UTF8.GetString(await GetPageAsync(IPAddress.Parse(agent.Addresses.Metrics.Split(':')[0]), 9464));
        metrics.Should().MatchRegex("""progress.*accepted.* [1-9]""");
    }

    [Fact]
    public async Task Many_pods_cost_a_timer_for_each_change_and_not_for_each_second()
    {
        var fleet = Enumerable.Range(0, 8).Select(i => new FleetNode { Name = $"n{i:00}", Gpus = 8 }).ToArray();
        await using var cluster = await StartAsync(new NodeSimulatorOptions { Fleet = fleet, LeaseInterval = TimeSpan.FromMinutes(10) });
        await cluster.CreateJobAsync(
            Job(
                "many",
                spec =>
                {
                    spec["completions"] = 64;
                    spec["parallelism"] = 64;
                },
                gpus: 1,
                ("work", "training"),
                ("steps", "30000"),
                ("step-time", "90ms")
            )
        );

        await cluster.PassAsync(TimeSpan.FromHours(1));

        var job = await cluster.JobAsync("many");
        ((int?)job["status"]!["succeeded"]).Should().Be(64);
    }

    private static async Task<byte[]> GetPageAsync(IPAddress address, int port)
    {
        using var http = new HttpClient();
        return await http.GetByteArrayAsync(new Uri($"http://{address}:{port}/metrics"));
    }
}
