using System.Net;
using System.Text.Json;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Bursar.Operator.Telemetry;
using Bursar.Sandbox.Time;
using Bursar.Tests.Integration.Operator.Http;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Integration.Operator.Telemetry;

/// <summary>
/// An exporter's page behind a real endpoint on loopback, read by the test's clock. Pods are reported as the cache reports them.
/// </summary>
public sealed class ExporterReaderTests : IAsyncLifetime
{
    private const string Device = "gpu=\"0\",UUID=\"GPU-a\",device=\"nvidia0\",modelName=\"Tesla T4\"";
    private const string Selection = "gpu-operator/app=nvidia-dcgm-exporter";

    private readonly VirtualTimeProvider _time = new(AgentClock.Start);
    private readonly DateTimeOffset _start;
    private readonly KubeClient _client = new(new KubeConfig { Server = new Uri("https://127.0.0.1:1"), Token = "none" });
    private readonly OperatorMetrics _metrics = new(TimeProvider.System);
    private readonly WebApplication _exporter;
    private GpuLedger _ledger = new();
    private ExporterReader _reader;
    private Func<HttpContext, string> _page = _ => "";
    private int _asked;
    private long _all;
    private readonly Dictionary<string, string> _written = [];

    public ExporterReaderTests()
    {
        _start = _time.GetUtcNow();
        _ledger.Install(_start.AddDays(-1));
        _reader = Reader();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        _exporter = builder.Build();
        _exporter.Run(context =>
        {
            Interlocked.Increment(ref _asked);
            return context.Response.WriteAsync(context.Request.Path == "/metrics" ? _page(context) : "elsewhere");
        });
    }

    public Task InitializeAsync() => _exporter.StartAsync();

    public async Task DisposeAsync()
    {
        _reader.Dispose();
        await _exporter.DisposeAsync();
        _client.Dispose();
        _metrics.Dispose();
    }

    [Fact]
    public async Task Busy_time_and_energy_of_a_node_without_an_agent_come_from_its_exporter()
    {
        Book("train", at: _start);
        _reader.Handle(Exporter(), gone: false);
        long energy = 1_000_000;
        for (var second = 0; second <= 150; second += 15)
        {
            _page = _ => Page("train", percent: 40, energy);
            await _reader.ReadAsync(default);
            energy += 3_000;
            _time.Advance(TimeSpan.FromSeconds(15));
        }

        _reader.ServedAt("n1").Should().Be(_start.AddSeconds(150));
        // Two whole minutes are closed. The second is kept until the next page, which came thirty seconds later.
        Usage("train")
            .Should()
            .BeEquivalentTo(
                new
                {
                    MeasuredMs = 120_000L,
                    BusyMs = 48_000L,
                    EnergyMj = 24_000L,
                }
            );
        _ledger.Cursor("n1").Should().BeNull("an agent's cursor is none of the exporter's");

        // The pod ends: its usage up to the last page is reported at once.
        _reader.Handle(Pod("train", phase: "Succeeded"), gone: false);
        await _reader.ReadAsync(default);
        Usage("train")
            .Should()
            .BeEquivalentTo(
                new
                {
                    MeasuredMs = 150_000L,
                    BusyMs = 60_000L,
                    EnergyMj = 30_000L,
                }
            );
        _reader.ServedAt("n1").Should().BeNull();
    }

    [Fact]
    public async Task Agent_that_starts_later_counts_nothing_twice_and_continues_its_journal()
    {
        Book("train", at: _start);
        // The agent of yesterday, read to its third entry.
        Report(Entry(3, -600, -540, 1_000)).Should().Match<UsageOutcome>(o => o.Applied == 1 && o.Gap == null);
        _reader.Handle(Exporter(), gone: false);
        _page = _ => Page("train", percent: 100, 1_000_000);
        for (var second = 0; second <= 75; second += 15)
        {
            await _reader.ReadAsync(default);
            _time.Advance(TimeSpan.FromSeconds(15));
        }
        Usage("train").BusyMs.Should().Be(1_000 + 60_000);

        // The agent is back: its journal has the time from now on, and the exporter's open quarter of a minute is dropped.
        _reader.Handle(AgentPod("Running", ready: false, since: _time.GetUtcNow()), gone: false);
        var before = _asked;
        await _reader.ReadAsync(default);
        _asked.Should().Be(before, "the node's agent may read the exporter itself");
        _reader.ServedAt("n1").Should().BeNull();
        Report(Entry(4, 90, 150, 60_000)).Should().Match<UsageOutcome>(o => o.Applied == 1 && o.Gap == null && !o.Refused);
        Usage("train").Should().BeEquivalentTo(new { MeasuredMs = 60_000L + 60_000 + 60_000, BusyMs = 1_000L + 60_000 + 60_000 });
    }

    [Fact]
    public async Task Agent_that_is_seen_late_has_the_time_from_its_coming_on()
    {
        Book("train", at: _start);
        _reader.Handle(Exporter(), gone: false);
        _page = _ => Page("train", percent: 100, 1_000_000);
        for (var second = 0; second <= 60; second += 15)
        {
            await _reader.ReadAsync(default);
            if (second < 60)
                _time.Advance(TimeSpan.FromSeconds(15));
        }
        // The pod began five seconds before the page that closed a minute, and the cache reports it three seconds after.
        _time.Advance(TimeSpan.FromSeconds(3));
        _reader.Handle(AgentPod("Running", ready: false, since: _start.AddSeconds(55)), gone: false);
        _time.Advance(TimeSpan.FromSeconds(12));
        await _reader.ReadAsync(default);
        Report(Entry(1, 55, 115, 60_000));
        Usage("train").Should().BeEquivalentTo(new { MeasuredMs = 60_000L, BusyMs = 60_000L });
    }

    /// <summary>The agent's container may run for seconds only, between two pages.</summary>
    [Fact]
    public async Task Agent_that_came_and_went_between_two_pages_measured_all_the_same()
    {
        Book("train", at: _start);
        _reader.Handle(Exporter(), gone: false);
        _page = _ => Page("train", percent: 100, 1_000_000);
        for (var second = 0; second <= 90; second += 15)
        {
            await _reader.ReadAsync(default);
            if (second == 45)
            {
                _reader.Handle(AgentPod("Running", ready: false, since: _start.AddSeconds(46)), gone: false);
                _reader.Handle(AgentPod("Running", ready: false, since: _start.AddSeconds(46)), gone: true);
            }
            _time.Advance(TimeSpan.FromSeconds(15));
        }
        _reader.Handle(Pod("train", phase: "Succeeded"), gone: false);
        await _reader.ReadAsync(default);
        Usage("train").MeasuredMs.Should().Be(30_000, "from the page at a minute to the one at a minute and a half");
    }

    [Fact]
    public async Task Agent_that_only_restarts_is_waited_for_and_one_that_stays_away_is_not()
    {
        Book("train", at: _start);
        _reader.Handle(Exporter(), gone: false);
        _page = _ => Page("train", percent: 100, 1_000_000);
        _reader.Handle(AgentPod("Running", ready: false, since: _start), gone: false);
        await _reader.ReadAsync(default);
        _asked.Should().Be(0);
        _time.Advance(ExporterReader.AgentsReturn);
        await _reader.ReadAsync(default);
        _asked.Should().Be(1);

        _reader.Handle(AgentPod("Running", ready: true, since: _time.GetUtcNow()), gone: false);
        await _reader.ReadAsync(default);
        _reader.Handle(AgentPod("Pending", ready: false, since: _time.GetUtcNow()), gone: false);
        await _reader.ReadAsync(default);
        _asked.Should().Be(2, "an agent that cannot start measures nothing");
        _reader.Handle(AgentPod("Running", ready: true, since: _time.GetUtcNow()), gone: true);
        await _reader.ReadAsync(default);
        _asked.Should().Be(3);
    }

    /// <summary>Killed between any two writes, by a new leader or itself: what was written counts once, what was not is a gap.</summary>
    [Theory]
    [InlineData(60)]
    [InlineData(75)]
    [InlineData(135)]
    public async Task Time_that_the_operator_missed_is_a_gap(int killedAt)
    {
        Book("train", at: _start);
        _reader.Handle(Exporter(), gone: false);
        _page = _ => Page("train", percent: 100, 1_000_000 + (long)(_time.GetUtcNow() - _start).TotalMilliseconds);
        for (var second = 0; second <= 300; second += 15)
        {
            if (second == killedAt)
            {
                var stored = _ledger
                    .DirtyShards()
                    .Select(shard => JsonSerializer.Serialize(shard, LedgerJson.Default.LedgerShard))
                    .ToList();
                _reader.Dispose();
                _ledger = GpuLedger.Load(stored.Select(json => JsonSerializer.Deserialize(json, LedgerJson.Default.LedgerShard)!));
                _reader = Reader();
                _reader.Handle(Exporter(), gone: false);
                _reader.Handle(Pod("train"), gone: false);
                _time.Advance(TimeSpan.FromMinutes(5));
                second += 15;
            }
            await _reader.ReadAsync(default);
            _time.Advance(TimeSpan.FromSeconds(15));
        }
        _reader.Handle(Pod("train", phase: "Succeeded"), gone: false);
        await _reader.ReadAsync(default);

        var usage = Usage("train");
        usage.BusyMs.Should().Be(usage.MeasuredMs, "it was busy all the time").And.BeLessThanOrEqualTo(300_000 - 15_000);
        usage
            .EnergyMj.Should()
            .Be(usage.MeasuredMs, "a millijoule each millisecond, and nothing of the five minutes")
            .And.BeGreaterThan(140_000);
    }

    [Fact]
    public async Task Parts_of_pods_in_per_process_mode_are_not_added_to_the_whole()
    {
        Book("a", at: _start);
        Book("b", at: _start);
        _reader.Handle(Exporter(), gone: false);
        _page = _ =>
            $$"""
                DCGM_FI_DEV_GPU_UTIL{{{Device}}} 80
                DCGM_FI_DEV_GPU_UTIL{{{Device}},namespace="ml",pod="a",container="c",vgpu="0"} 60
                DCGM_FI_DEV_GPU_UTIL{{{Device}},namespace="ml",pod="b",container="c",vgpu="1"} 20

                """.ReplaceLineEndings("\n");
        for (var second = 0; second <= 75; second += 15)
        {
            await _reader.ReadAsync(default);
            _time.Advance(TimeSpan.FromSeconds(15));
        }
        Usage("a").BusyMs.Should().Be(36_000);
        Usage("b").BusyMs.Should().Be(12_000);
    }

    [Fact]
    public async Task Gpu_that_kai_shares_out_works_for_the_pods_with_parts_of_it()
    {
        Book("half", at: _start, group: "g1");
        _reader.Handle(Pod("res-1", ns: "kai-resource-reservation", group: "g1"), gone: false);
        _reader.Handle(Exporter(), gone: false);
        _page = _ => Page("res-1", percent: 50, 1_000_000, ns: "kai-resource-reservation");
        for (var second = 0; second <= 75; second += 15)
        {
            await _reader.ReadAsync(default);
            _time.Advance(TimeSpan.FromSeconds(15));
        }
        Usage("half").Should().BeEquivalentTo(new { MeasuredMs = 60_000L, BusyMs = 30_000L });
    }

    [Fact]
    public async Task Exporter_is_queried_only_if_selected_ready_and_beside_gpu_pods()
    {
        _reader.Handle(Exporter(), gone: false);
        await _reader.ReadAsync(default);
        _asked.Should().Be(0, "no pod on the node holds a GPU");

        Book("train", at: _start);
        _reader.Handle(Exporter(), gone: true);
        _reader.Handle(Exporter(ns: "team-x"), gone: false);
        _reader.Handle(Exporter(ready: false), gone: false);
        await _reader.ReadAsync(default);
        _asked.Should().Be(0, "one is in a namespace that is not named, one is not ready");

        _reader.Handle(Exporter(), gone: false);
        _page = context =>
        {
            context.Response.Redirect("/elsewhere");
            return "";
        };
        await _reader.ReadAsync(default);
        _page = _ => "no page {";
        await _reader.ReadAsync(default);
        await _reader.ReadAsync(default);
        _asked.Should().Be(2, "who was silent twice is asked once a minute");
        _time.Advance(TimeSpan.FromMinutes(1));
        _page = _ => new string('#', 5 * 1024 * 1024);
        await _reader.ReadAsync(default);
        _time.Advance(TimeSpan.FromMinutes(1));
        _page = _ => $"DCGM_FI_DEV_GPU_UTIL{{{Device}}} 80\n";
        await _reader.ReadAsync(default);
        _asked.Should().Be(4, "no redirect was followed");
        _reader.ServedAt("n1").Should().BeNull("the last one read devices without their pods");
        PrometheusText
            .Parse(_metrics.Scrape())
            .Single(s => s.Name == "bursar_exporter_failures_total" && s.Label("node") == "n1")
            .Value.Should()
            .Be(4);
    }

    [Fact]
    public async Task Odd_line_of_an_exporter_is_counted_and_the_others_are_billed()
    {
        Book("train", at: _start);
        _reader.Handle(Exporter(), gone: false);
        _page = _ =>
            Page("train", percent: 50, 1_000_000) + "\nDCGM_FI_DEV_CUDA_VISIBLE_DEVICES_STR{gpu=\"0\",UUID=\"GPU-1\"} MIG-GPU-1/3\n";
        for (var second = 0; second <= 75; second += 15)
        {
            await _reader.ReadAsync(default);
            _time.Advance(TimeSpan.FromSeconds(15));
        }
        Usage("train").Should().BeEquivalentTo(new { MeasuredMs = 60_000L, BusyMs = 30_000L });
        PrometheusText
            .Parse(_metrics.Scrape())
            .Single(s => s.Name == "bursar_exporter_skipped_lines_total" && s.Label("node") == "n1")
            .Value.Should()
            .Be(6);
    }

    /// <summary>A source without answers for less than a minute changes nothing, so the status does not flap.</summary>
    [Fact]
    public async Task Metering_source_changes_after_a_minute_of_silence_or_at_once_for_a_ready_one()
    {
        var collector = new AgentCollector(
            new ClusterStores(_client, "bursar"),
            _ledger,
            new ProgressTracker(),
            new CertificateController(_client, "bursar", "bursar-agents", _time, NullLogger<CertificateController>.Instance),
            _metrics,
            new AgentSelection("bursar-agents", "bursar-agent"),
            new Random(1),
            _time,
            NullLogger<AgentCollector>.Instance
        );
        var sources = new MeteringSources(collector, _reader, _time);
        sources.Get("n2").Should().Be(MeteringSource.Awaited, "a node that is new may be about to have an agent");
        Book("train", at: _start);
        _reader.Handle(Exporter(), gone: false);
        sources.Get("n1").Should().Be(MeteringSource.DcgmExporter, "it stands ready");
        _page = _ => Page("train", percent: 100, 1_000_000);
        _time.Advance(TimeSpan.FromSeconds(50));
        await _reader.ReadAsync(default);
        _time.Advance(TimeSpan.FromSeconds(11));
        (sources.Get("n1"), sources.Get("n2")).Should().Be((MeteringSource.DcgmExporter, MeteringSource.None));

        _page = _ => "";
        await _reader.ReadAsync(default);
        _time.Advance(TimeSpan.FromSeconds(45));
        sources.Get("n1").Should().Be(MeteringSource.DcgmExporter);
        _time.Advance(TimeSpan.FromSeconds(5));
        sources.Get("n1").Should().Be(MeteringSource.None);
        _page = _ => Page("train", percent: 100, 1_000_000);
        await _reader.ReadAsync(default);
        sources.Get("n1").Should().Be(MeteringSource.DcgmExporter);
    }

    /// <summary>
    /// Whatever comes and goes, in whatever order and however late it is seen (agents, their reports, the operator itself, writes): of a
    /// GPU that is busy all the time no millisecond is counted twice, and the agent's own are all there.
    /// </summary>
    [Fact]
    public async Task No_millisecond_is_counted_twice()
    {
        for (var seed = 0; seed < 40; seed++)
        {
            var random = new Random(seed);
            _ledger = new();
            _written.Clear();
            _ledger.Install(_time.GetUtcNow().AddDays(-1));
            _reader.Dispose();
            _reader = Reader();
            Book("train", _time.GetUtcNow());
            _reader.Handle(Exporter(), gone: false);
            // A counter that grows only while an agent measures: what the exporter's account has of it is counted twice.
            DateTimeOffset? agent = null;
            long byAgents = 0;
            _page = _ =>
                random.Next(8) == 0
                    ? "no page {"
                    : Page("train", 100, byAgents + (agent is { } running ? (long)(_time.GetUtcNow() - running).TotalMilliseconds : 0));
            var begun = _time.GetUtcNow();
            var (stored, journal) = (Write(), new List<UsageInterval>());
            var known = false;
            for (var tick = 0; tick < 60; tick++)
            {
                // Whatever happens between two pages is seen up to ten seconds later.
                var happens = random.Next(12);
                _time.Advance(TimeSpan.FromSeconds(random.Next(5)));
                if (happens == 0 && agent is null)
                    (agent, known) = (_time.GetUtcNow(), false);
                else if (happens == 1 && agent is { } since && known)
                {
                    // The agent reports once more and is then gone.
                    journal.Add(
                        Entry(
                            journal.Count + 1,
                            (int)(since - _start).TotalSeconds,
                            (int)(_time.GetUtcNow() - _start).TotalSeconds,
                            (long)(_time.GetUtcNow() - since).TotalMilliseconds
                        )
                    );
                    byAgents += journal[^1].BusyMs;
                    agent = null;
                }
                else if (happens == 2 && journal.Count > 0)
                {
                    var cursor = _ledger.Cursor("n1");
                    _ledger.Record(
                        new()
                        {
                            Node = "n1",
                            Epoch = "e1",
                            First = 1,
                            Next = journal.Count + 1,
                            Intervals = [.. journal.Skip((int)(cursor?.Seq ?? 0))],
                        },
                        cursor
                    );
                }
                else if (happens == 3)
                    stored = Write();
                else if (happens == 4 && random.Next(4) == 0)
                {
                    _reader.Dispose();
                    _ledger = GpuLedger.Load(stored.Select(json => JsonSerializer.Deserialize(json, LedgerJson.Default.LedgerShard)!));
                    _reader = Reader();
                    Book("train", begun);
                    _reader.Handle(Exporter(), gone: false);
                    known = agent is not null;
                    if (agent is { } there)
                        _reader.Handle(AgentPod("Running", ready: true, since: there), gone: false);
                }
                var late = random.Next(4) > 0;
                if (!late && agent is { } came && !known)
                {
                    _reader.Handle(AgentPod("Running", ready: true, since: came), gone: false);
                    known = true;
                }
                _time.Advance(TimeSpan.FromSeconds(random.Next(5)));
                if (agent is null && known)
                {
                    _reader.Handle(AgentPod("Running", ready: true, since: begun), gone: true);
                    known = false;
                }
                await _reader.ReadAsync(default);
                _time.Advance(TimeSpan.FromSeconds(7));
                if (agent is { } here && !known)
                {
                    _reader.Handle(AgentPod("Running", ready: true, since: here), gone: false);
                    known = true;
                }
            }
            var last = _ledger.Cursor("n1");
            _ledger.Record(
                new()
                {
                    Node = "n1",
                    Epoch = "e1",
                    First = 1,
                    Next = journal.Count + 1,
                    Intervals = [.. journal.Skip((int)(last?.Seq ?? 0))],
                },
                last
            );

            var usage = Usage("train");
            var lasted = (long)(_time.GetUtcNow() - begun).TotalMilliseconds;
            usage
                .MeasuredMs.Should()
                .BeInRange(
                    byAgents,
                    lasted - (agent is { } open ? (long)(_time.GetUtcNow() - open).TotalMilliseconds : 0),
                    "seed {0}",
                    seed
                );
            usage.BusyMs.Should().Be(usage.MeasuredMs, "seed {0}", seed);
            usage.EnergyMj.Should().Be(0, "seed {0}", seed);
            _all += usage.MeasuredMs - byAgents;
        }
        _all.Should().BeGreaterThan(40 * 60_000, "the exporter did serve");
    }

    [Theory]
    [InlineData("app=x")]
    [InlineData("ns/")]
    [InlineData("ns/app")]
    [InlineData("ns/app=a b")]
    [InlineData("/app=x")]
    public void Selection_names_a_namespace_and_labels(string text) =>
        ((Action)(() => ExporterSelection.Parse(text))).Should().Throw<FormatException>();

    [Fact]
    public void Selection_may_name_several()
    {
        var selection = ExporterSelection.Parse(
            "gpu-operator/app=nvidia-dcgm-exporter; monitoring/app.kubernetes.io/name=dcgm-exporter,tier=gpu"
        );
        selection.Matches(Exporter()).Should().BeTrue();
        selection.Matches(Labelled("monitoring", ("app.kubernetes.io/name", "dcgm-exporter"), ("tier", "gpu"))).Should().BeTrue();
        selection.Matches(Labelled("monitoring", ("app.kubernetes.io/name", "dcgm-exporter"))).Should().BeFalse();
        ExporterSelection.Parse("").Matches(Exporter()).Should().BeFalse();
    }

    private ExporterReader Reader() =>
        new(
            ExporterSelection.Parse(Selection),
            new ClusterStores(_client, "bursar"),
            _ledger,
            _metrics,
            new AgentSelection("bursar-agents", "bursar-agent"),
            _time,
            NullLogger<ExporterReader>.Instance
        );

    private List<string> Write()
    {
        var all = _ledger.DirtyShards().ToList();
        foreach (var shard in all)
            _ledger.MarkWritten(shard.Name, shard.Revision);
        foreach (var shard in all)
            _written[shard.Name] = JsonSerializer.Serialize(shard, LedgerJson.Default.LedgerShard);
        return [.. _written.Values];
    }

    private static string Page(string pod, int percent, long energy, string ns = "ml") =>
        $$"""
            DCGM_FI_DEV_GPU_UTIL{{{Device}},namespace="{{ns}}",pod="{{pod}}",container="c"} {{percent}}
            DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{Device}},namespace="{{ns}}",pod="{{pod}}",container="c"} {{energy}}

            """.ReplaceLineEndings("\n");

    private UsageSums Usage(string pod) =>
        _ledger
            .SpentByWorkload("ml", LabelSelector.Everything, _start.AddDays(-1), _start.AddDays(2), _start.AddDays(2))
            .Single(work => work.Workload.Name == pod)
            .Usage;

    private UsageOutcome Report(UsageInterval entry) =>
        _ledger.Record(
            new()
            {
                Node = "n1",
                Epoch = "e1",
                First = entry.Seq,
                Next = entry.Seq + 1,
                Intervals = [entry],
            },
            _ledger.Cursor("n1")
        );

    private UsageInterval Entry(long seq, int from, int to, long busy) =>
        new()
        {
            Seq = seq,
            PodUid = "train",
            Namespace = "ml",
            Pod = "train",
            Device = "GPU-a",
            From = _start.AddSeconds(from),
            To = _start.AddSeconds(to),
            BusyMs = busy,
        };

    /// <summary>A pod in the cache and in the ledger.</summary>
    private void Book(string name, DateTimeOffset at, string? group = null)
    {
        _reader.Handle(Pod(name, group: group), gone: false);
        _ledger.Observe(
            new()
            {
                Uid = name,
                Pod = name,
                Workload = new("ml", "Pod", name, name),
                Class = WorkloadClass.Training,
                Labels = new Dictionary<string, string>(),
                Node = "n1",
                Gpus = 1,
                ScheduledAt = at,
                ObservedAt = at,
            }
        );
    }

    private V1Pod Pod(string name, string phase = "Running", string ns = "ml", string? group = null)
    {
        // A part of a GPU is asked for by annotation and no resource; the pod that reserves it holds a whole one.
        var part = group is not null && ns == "ml";
        return new()
        {
            Metadata = new()
            {
                Name = name,
                Namespace = ns,
                Uid = name,
                Labels = StringMap.From(group is null ? [] : [new("runai-gpu-group", group)]),
                Annotations = StringMap.From(part ? [new("gpu-fraction", "0.5")] : []),
            },
            Spec = new()
            {
                NodeName = "n1",
                Containers =
                [
                    new()
                    {
                        Name = "c",
                        Resources = new() { Limits = StringMap.From(part ? [] : [new("nvidia.com/gpu", "1")]) },
                    },
                ],
            },
            Status = new() { Phase = phase, StartTime = _start },
        };
    }

    private V1Pod AgentPod(string phase, bool ready, DateTimeOffset since) =>
        new()
        {
            Metadata = new()
            {
                Name = "agent",
                Namespace = "bursar-agents",
                Uid = "agent",
                Labels = StringMap.From([new("app.kubernetes.io/name", "bursar-agent")]),
            },
            Spec = new() { NodeName = "n1" },
            Status = new()
            {
                Phase = phase,
                PodIP = "127.0.0.1",
                Conditions =
                [
                    new()
                    {
                        Type = "Ready",
                        Status = ready ? "True" : "False",
                        LastTransitionTime = since,
                    },
                ],
            },
        };

    private V1Pod Exporter(string ns = "gpu-operator", bool ready = true) =>
        Labelled(ns, ("app", "nvidia-dcgm-exporter")) with
        {
            Spec = new()
            {
                NodeName = "n1",
                Containers = [new() { Name = "exporter", Ports = [new() { Name = "metrics", ContainerPort = Port }] }],
            },
            Status = new()
            {
                Phase = "Running",
                PodIP = "127.0.0.1",
                Conditions = [new() { Type = "Ready", Status = ready ? "True" : "False" }],
            },
        };

    private static V1Pod Labelled(string ns, params (string Key, string Value)[] labels) =>
        new()
        {
            Metadata = new()
            {
                Name = "exporter",
                Namespace = ns,
                Uid = "exporter-" + ns,
                Labels = StringMap.From(labels.Select(l => new KeyValuePair<string, string>(l.Key, l.Value))),
            },
        };

    private int Port =>
        _exporter
            .Services.GetRequiredService<IServer>()
            .Features.GetRequiredFeature<IServerAddressesFeature>()
            .Addresses.Select(a => new Uri(a).Port)
            .FirstOrDefault();
}
