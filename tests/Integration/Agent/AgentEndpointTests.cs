using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Bursar.Agent.Certificates;
using Bursar.Agent.Client;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Sandbox.Time;
using Bursar.Tests.Integration.Kubernetes;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Bursar.Tests.Integration.Agent;

public sealed class AgentEndpointTests
{
    private static readonly TimeSpan NoWait = TimeSpan.Zero;

    [Fact]
    public async Task Operator_is_accepted_and_other_clients_are_rejected()
    {
        await using var node = await SimulatedNode.StartAsync();
        var now = TimeProvider.System.GetUtcNow();
        var stranger = BursarCa.Create(now);

        (await node.Client().GetUsageAsync(null, NoWait, default)).Node.Should().Be("gpu-1.example");

        await RefusedAsync(node.Client(BursarCa.CreateOperator(stranger, now)));
        await RefusedAsync(node.Client(BursarCa.CreateAgent(node.Root, now)));
        await RefusedAsync(node.Client(BursarCa.Issue(node.Root, "someone.bursar.internal", "1.3.6.1.5.5.7.3.2", now)));
        await RefusedAsync(node.Client(BursarCa.Issue(node.Root, BursarNames.Operator, "1.3.6.1.5.5.7.3.1", now)));

        using var without = new HttpClient(
            new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => true } }
        );
        await without
            .Awaiting(c => c.GetAsync($"https://{node.Server.Addresses.Operator}/v1/usage?wait=0"))
            .Should()
            .ThrowAsync<HttpRequestException>();

        static async Task RefusedAsync(AgentClient client) =>
            await client.Awaiting(c => c.GetUsageAsync(null, NoWait, default)).Should().ThrowAsync<AgentException>();
    }

    [Fact]
    public async Task Report_names_the_source_of_the_readings_and_the_drivers_product_names()
    {
        await using var node = await SimulatedNode.StartAsync();
        var client = node.Client();
        UsageReport? report = null;
        await Eventually.TrueAsync(
            async () => (report = await client.GetUsageAsync(null, NoWait, default)).Source is not null,
            "the first sample is taken"
        );
        (report!.Source, report.Product).Should().Be((UsageReport.NoSource, null));

        node.Gpus = new(
            NvmlState.Ready,
            "",
            [
                new() { Uuid = "GPU-a", Name = "NVIDIA H100 80GB HBM3" },
                new()
                {
                    Uuid = "MIG-a",
                    ParentUuid = "GPU-a",
                    Name = "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
                },
            ]
        );
        await Eventually.TrueAsync(
            async () => (report = await client.GetUsageAsync(null, NoWait, default)).Source == "nvml",
            "the GPUs are seen"
        );
        report.Product.Should().Be("NVIDIA-H100-80GB-HBM3");
    }

    [Fact]
    public void Certificate_out_of_its_time_is_refused()
    {
        var made = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        var root = BursarCa.Create(made);
        using var certificate = X509Certificate2.CreateFromPem(BursarCa.CreateOperator(root, made).Certificate);
        var roots = new X509Certificate2Collection();
        roots.ImportFromPem(root.Certificate);

        PeerCheck.Refusal(certificate, roots, PeerPurpose.Client, BursarNames.Operator, made).Should().BeNull();
        PeerCheck
            .Refusal(certificate, roots, PeerPurpose.Client, BursarNames.Operator, made + TimeSpan.FromDays(91))
            .Should()
            .Contain("NotTimeValid");
        PeerCheck.Refusal(certificate, roots, PeerPurpose.Server, BursarNames.Operator, made).Should().Contain("not meant for servers");
    }

    [Theory]
    [InlineData("gpu-1", "gpu-1.agent.bursar.internal")]
    [InlineData("ip-10-0-0-7.eu-west-1.compute.internal", "ip-10-0-0-7-eu-west-1-compute-internal.agent.bursar.internal")]
    public void Agents_name_is_one_label(string node, string name) => BursarNames.Agent(node).Should().Be(name);

    [Fact]
    public async Task Operator_trusts_only_agents_under_its_own_root()
    {
        await using var node = await SimulatedNode.StartAsync();
        var now = TimeProvider.System.GetUtcNow();

        await node.Client(root: BursarCa.Create(now))
            .Awaiting(c => c.GetUsageAsync(null, NoWait, default))
            .Should()
            .ThrowAsync<AgentException>()
            .WithMessage("*does not chain to Bursar's CA*");
    }

    [Fact]
    public async Task Agent_serves_once_it_has_certificates_and_picks_up_renewed_ones()
    {
        var time = new VirtualTimeProvider(TimeProvider.System.GetUtcNow());
        await using var node = await SimulatedNode.StartAsync(time, certificates: false);
        await node.Client().Awaiting(c => c.GetUsageAsync(null, NoWait, default)).Should().ThrowAsync<AgentException>();
        await Eventually.TrueAsync(() => node.Server.Sampler.View is not null, "it samples all the same");
        await Eventually.TrueAsync(() => time.Pending >= 3, "sampler, scrapes and certificates wait for the clock");

        node.Mount(node.Root, node.AgentCertificate);
        time.Advance(TimeSpan.FromSeconds(10));
        await Eventually.TrueAsync(() => Answers(node.Client()), "the mounted certificates serve");

        var renewed = BursarCa.Create(time.GetUtcNow());
        await Eventually.TrueAsync(() => time.Pending >= 3, "all wait for the clock again");
        node.Mount(renewed, BursarCa.CreateAgent(renewed, time.GetUtcNow()));
        time.Advance(TimeSpan.FromSeconds(10));
        await Eventually.TrueAsync(
            () => Answers(node.Client(BursarCa.CreateOperator(renewed, time.GetUtcNow()), renewed)),
            "the renewed root serves"
        );

        static bool Answers(AgentClient client)
        {
            try
            {
                return client.GetUsageAsync(null, NoWait, default).GetAwaiter().GetResult().Epoch.Length > 0;
            }
            catch (AgentException)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task Progress_goes_from_the_pod_to_the_operators_poll()
    {
        await using var node = await SimulatedNode.StartAsync();
        var client = node.Client();
        await client.PutTargetsAsync(new TargetList { Revision = "1", Pods = [SimulatedNode.Pod("u1", "127.0.0.1")] }, default);
        var first = await client.GetUsageAsync(null, NoWait, default);
        var poll = client.GetUsageAsync(new JournalCursor(first.Epoch, first.Next - 1), TimeSpan.FromSeconds(30), default);

        (await PostAsync(node, """{"step":1200,"total":30000,"checkpointAt":"2026-11-20T10:00:00Z","unknown":true}"""))
            .StatusCode.Should()
            .Be(HttpStatusCode.NoContent);

        var report = await poll.WaitAsync(TimeSpan.FromSeconds(20));
        report
            .Progress.Should()
            .ContainSingle()
            .Which.Should()
            .BeEquivalentTo(
                new
                {
                    Seq = report.First,
                    PodUid = "u1",
                    Step = 1200L,
                    Total = 30000L,
                    CheckpointAt = new DateTimeOffset(2026, 11, 20, 10, 0, 0, TimeSpan.Zero),
                }
            );
    }

    [Theory]
    [InlineData("", 400)]
    [InlineData("step=1", 400)]
    [InlineData("null", 400)]
    [InlineData("[]", 400)]
    [InlineData("{}", 400)]
    [InlineData("""{"step":-1}""", 400)]
    [InlineData("""{"step":1.5}""", 400)]
    [InlineData("""{"step":99999999999999999999}""", 400)]
    [InlineData("""{"step":5,"total":4}""", 400)]
    [InlineData("""{"step":5,"total":0}""", 400)]
    [InlineData("""{"step":5,"checkpointAt":"2999-01-01T00:00:00Z"}""", 400)]
    [InlineData("""{"step":5,"checkpointAt":"yesterday"}""", 400)]
    [InlineData("""{"step":5}""", 204)]
    public async Task Invalid_progress_is_rejected_with_a_message_and_not_journaled(string body, int status)
    {
        await using var node = await SimulatedNode.StartAsync();
        node.Server.Targets.Replace(new TargetList { Pods = [SimulatedNode.Pod("u1", "127.0.0.1")] });

        using var response = await PostAsync(node, body);

        ((int)response.StatusCode).Should().Be(status);
        if (status != 204)
            (await response.Content.ReadAsStringAsync()).Should().StartWith("{\"error\":\"");
        node.Server.Journal.Next.Should().Be(status == 204 ? 2 : 1);
    }

    [Fact]
    public async Task Too_long_a_body_and_other_paths_are_refused()
    {
        await using var node = await SimulatedNode.StartAsync();
        node.Server.Targets.Replace(new TargetList { Pods = [SimulatedNode.Pod("u1", "127.0.0.1")] });
        using var http = new HttpClient();

        (await PostAsync(node, new string(' ', 5000) + """{"step":1}""")).StatusCode.Should().Be(HttpStatusCode.RequestEntityTooLarge);
        (await http.DeleteAsync($"http://{node.Server.Addresses.Pod}/v1/checkpoint")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await http.GetAsync($"http://{node.Server.Addresses.Pod}/v1/usage")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await http.GetAsync($"http://{node.Server.Addresses.Pod}/metrics")).StatusCode.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Pod_can_report_only_about_itself()
    {
        await using var node = await SimulatedNode.StartAsync(change: o => o with { PodAddress = "0.0.0.0:0" });
        node.Server.Targets.Replace(
            new TargetList
            {
                Pods =
                [
                    SimulatedNode.Pod("u1", "127.9.0.1"),
                    SimulatedNode.Pod("u2", "127.9.0.2"),
                    SimulatedNode.Pod("h1", "127.9.0.9"),
                    SimulatedNode.Pod("h2", "127.9.0.9"),
                ],
            }
        );

        (await PostAsync(node, """{"step":1}""", "127.9.0.1")).StatusCode.Should().Be(HttpStatusCode.NoContent);
        (await PostAsync(node, """{"step":2}""", "127.9.0.2")).StatusCode.Should().Be(HttpStatusCode.NoContent);
        using var unknown = await PostAsync(node, """{"step":3}""", "127.9.0.3");
        using var shared = await PostAsync(node, """{"step":4}""", "127.9.0.9");

        unknown.StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await unknown.Content.ReadAsStringAsync()).Should().Contain("127.9.0.3");
        shared.StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await shared.Content.ReadAsStringAsync()).Should().Contain("2 live pods share");
        node.Server.Journal.Read("n", null).Progress.Select(p => (p.PodUid, p.Step)).Should().Equal(("u1", 1L), ("u2", 2L));
    }

    [Fact]
    public async Task Malformed_list_of_targets_is_refused_and_the_old_one_stays()
    {
        await using var node = await SimulatedNode.StartAsync();
        var client = node.Client();
        await client.PutTargetsAsync(new TargetList { Revision = "1", Pods = [SimulatedNode.Pod("u1", "127.0.0.1")] }, default);

        await client
            .Awaiting(c => c.PutTargetsAsync(new TargetList { Revision = "2", Pods = [new TargetPod()] }, default))
            .Should()
            .ThrowAsync<AgentException>()
            .WithMessage("*400*every pod has a uid*");

        node.Server.Targets.Current.Revision.Should().Be("1");
    }

    [Fact]
    public async Task Usage_of_a_pod_reaches_the_operator_with_its_uid_and_the_signals_show_it()
    {
        var time = new VirtualTimeProvider(TimeProvider.System.GetUtcNow());
        await using var node = await SimulatedNode.StartAsync(time);
        node.Gpus = new GpuSnapshot(
            NvmlState.Ready,
            "ready",
            [
                new GpuReading
                {
                    Uuid = "GPU-a",
                    Name = "V100",
                    UtilizationPercent = 50,
                    EnergyMillijoules = 7,
                },
            ]
        );
        node.Devices = [new PodDevice("ml", "pod-u1", "main", "nvidia.com/gpu", "GPU-a")];
        var client = node.Client();
        await client.PutTargetsAsync(new TargetList { Pods = [SimulatedNode.Pod("u1", "127.9.0.1")] }, default);
        for (int i = 0; i < 90 && node.Server.Journal.Next == 1; i++)
        {
            long before = node.Server.Sampler.View is { } view ? view.At.Ticks : 0;
            await Eventually.TrueAsync(() => time.Pending >= 3, "everybody waits for the clock");
            time.Advance(TimeSpan.FromSeconds(1));
            await Eventually.TrueAsync(() => time.Pending >= 3, "everybody waits for the clock");
        }

        var report = await client.GetUsageAsync(null, NoWait, default);
        var signals = await client.GetSignalsAsync(default);

        var interval = report.Intervals.Should().ContainSingle().Subject;
        interval
            .Should()
            .BeEquivalentTo(
                new
                {
                    PodUid = "u1",
                    Namespace = "ml",
                    Pod = "pod-u1",
                    Container = "main",
                    Device = "GPU-a",
                    Share = "1/1",
                    EnergyMj = 0L,
                }
            );
        (interval.To - interval.From)
            .Should()
            .BeGreaterThanOrEqualTo(TimeSpan.FromSeconds(60))
            .And.BeLessThanOrEqualTo(TimeSpan.FromSeconds(70));
        interval.BusyMs.Should().Be((long)(interval.To - interval.From).TotalMilliseconds / 2);
        signals.Devices.Should().ContainSingle().Which.PodUids.Should().Equal("u1");
        signals.Source.Should().Be("ready");
    }

    [Fact]
    public async Task Metrics_and_health_are_served_without_a_driver()
    {
        await using var node = await SimulatedNode.StartAsync(certificates: false);
        await Eventually.TrueAsync(() => node.Server.Sampler.View is not null, "the first sample");
        using var http = new HttpClient();

        using var health = await http.GetAsync($"http://{node.Server.Addresses.Metrics}/healthz");
        string page = await http.GetStringAsync($"http://{node.Server.Addresses.Metrics}/metrics");

        health.StatusCode.Should().Be(HttpStatusCode.OK);
        (await health.Content.ReadAsStringAsync())
            .Should()
            .Contain("\"gpu\":\"no-library: none\"")
            .And.Contain("certificates are not there yet");
        PrometheusText
            .Parse(page)
            .Should()
            .Contain(s => s.Name == "bursar_agent_gpu_state" && s.Label("state") == "no-library" && s.Value == 1);
    }

    [Fact]
    public async Task Agents_own_use_is_in_its_metrics()
    {
        await using var node = await SimulatedNode.StartAsync(certificates: false);
        await Eventually.TrueAsync(() => node.Server.Sampler.View is not null, "the first sample");
        using var http = new HttpClient();

        var page = PrometheusText.Parse(await http.GetStringAsync($"http://{node.Server.Addresses.Metrics}/metrics"));

        double Value(string name) => page.Single(s => s.Name == name).Value;
        Value("process_cpu_seconds_total").Should().BePositive();
        Value("process_resident_memory_bytes").Should().BeGreaterThan(1024 * 1024);
        Value("bursar_agent_sample_pause_seconds").Should().BeInRange(1, 10);
        Value("bursar_agent_gpu_read_seconds_total").Should().BeGreaterThanOrEqualTo(0);
        Value("bursar_agent_samples_total").Should().BeGreaterThanOrEqualTo(1);
    }

    [Fact]
    public async Task Model_servers_load_and_latency_are_in_the_agents_metrics()
    {
        await using var node = await SimulatedNode.StartAsync();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        await using var server = builder.Build();
        server.Run(context =>
            context.Response.WriteAsync(
                "vllm:num_requests_running{model_name=\"m\"} 3\nvllm:prompt_tokens_total{model_name=\"m\"} 5\nvllm:e2e_request_latency_seconds_sum{model_name=\"m\"} 1.5\nvllm:e2e_request_latency_seconds_count{model_name=\"m\"} 2\n"
            )
        );
        await server.StartAsync();
        var pod = SimulatedNode.Pod("u1", "127.0.0.1");
        await node.Client()
            .PutTargetsAsync(
                new TargetList
                {
                    Revision = "1",
                    Pods =
                    [
                        pod with
                        {
                            Scrape = [new ScrapeTarget { Port = new Uri(server.Urls.Single()).Port, Kind = ScrapeTarget.Serving }],
                        },
                    ],
                },
                default
            );
        await node.Server.Scrapes.ScrapeAllAsync(default);
        using var http = new HttpClient();

        var page = PrometheusText.Parse(await http.GetStringAsync($"http://{node.Server.Addresses.Metrics}/metrics"));

        double Value(string name) => page.Single(s => s.Name == name && s.Label("pod") == pod.Name && s.Label("model") == "m").Value;
        Value("bursar_agent_serving_requests_running").Should().Be(3);
        Value("bursar_agent_serving_latency_seconds_total").Should().Be(1.5);
        Value("bursar_agent_serving_latency_requests_total").Should().Be(2);
        page.Should().NotContain(s => s.Name == "bursar_agent_serving_requests_waiting");
    }

    [Fact]
    public async Task Journal_without_a_disk_is_reported_and_the_agent_keeps_serving()
    {
        using var folder = new TestFolder();
        File.WriteAllText(folder.File("file"), "");
        await using var node = await SimulatedNode.StartAsync(change: o =>
            o with
            {
                Journal = new() { Directory = folder.File("file/below") },
            }
        );
        using var http = new HttpClient();

        using var health = await http.GetAsync($"http://{node.Server.Addresses.Metrics}/healthz");
        var page = PrometheusText.Parse(await http.GetStringAsync($"http://{node.Server.Addresses.Metrics}/metrics"));
        node.Server.Journal.Append([Bursar.Agent.Journal.JournalEntry.From(new ProgressSample { PodUid = "u", Step = 7 })]);
        var report = await node.Client().GetUsageAsync(null, NoWait, default);

        health.StatusCode.Should().Be(HttpStatusCode.OK);
        (await health.Content.ReadAsStringAsync()).Should().Contain("entries are kept in memory");
        page.Single(s => s.Name == "bursar_agent_journal_fault").Value.Should().Be(1);
        report.Progress.Should().ContainSingle().Which.Step.Should().Be(7);
    }

    [Fact]
    public async Task Agents_in_one_process_have_separate_addresses()
    {
        var nodes = new List<SimulatedNode>();
        for (int i = 1; i <= 8; i++)
        {
            string ip = $"127.77.0.{i}";
            nodes.Add(
                await SimulatedNode.StartAsync(change: o =>
                    o with
                    {
                        NodeName = "n" + ip,
                        OperatorAddress = $"{ip}:19465",
                        PodAddress = $"{ip}:19466",
                        MetricsAddress = $"{ip}:19464",
                    }
                )
            );
        }
        try
        {
            foreach (var node in nodes)
                (await node.Client(node: "any").GetUsageAsync(null, NoWait, default)).Epoch.Should().NotBeEmpty();
        }
        finally
        {
            foreach (var node in nodes)
                await node.DisposeAsync();
        }
    }

    private static async Task<HttpResponseMessage> PostAsync(SimulatedNode node, string body, string? from = null)
    {
        int port = IPEndPoint.Parse(node.Server.Addresses.Pod).Port;
        using var http = new HttpClient(
            new SocketsHttpHandler
            {
                ConnectCallback = async (_, token) =>
                {
                    var socket = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
                    if (from is not null)
                        socket.Bind(new IPEndPoint(IPAddress.Parse(from).MapToIPv6(), 0));
                    await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback.MapToIPv6(), port), token);
                    return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
                },
            }
        );
        return await http.PostAsync($"http://pods:{port}/v1/progress", new StringContent(body, Encoding.UTF8, "application/json"));
    }
}
