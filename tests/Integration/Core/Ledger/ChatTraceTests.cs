using System.Globalization;
using System.Net;
using System.Numerics;
using Bursar.Agent;
using Bursar.Agent.Journal;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Agent.Scrape;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Integration.Core.Ledger;

/// <summary>
/// An hour of a chat service, in the shape of a production trace, as one A100 would serve it: a server's counters, read by
/// the agent's own scrapes, through its journal into the ledger, beside a plain count over the same rows.
/// </summary>
public sealed class ChatTraceTests : IAsyncLifetime
{
    private const string Namespace = "chat",
        Model = "served",
        Node = "gpu-1";
    private static readonly DateTimeOffset Start = new(2023, 11, 16, 18, 15, 0, TimeSpan.Zero);
    private static readonly GpuHourPrice A100 = GpuHourPrice.FromDecimal(4);

    private readonly VirtualTimeProvider _time = new(Start);
    private WebApplication _server = null!;
    private int _port;
    private long _prompt;
    private long _generated;

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _server = builder.Build();
        // Counters as a server in Python writes them.
        _server.Run(context =>
            context.Response.WriteAsync(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $$"""
                    # TYPE vllm:prompt_tokens_total counter
                    vllm:prompt_tokens_total{engine="0",model_name="{{Model}}"} {{_prompt}}.0
                    # TYPE vllm:generation_tokens_total counter
                    vllm:generation_tokens_total{engine="0",model_name="{{Model}}"} {{_generated}}.0

                    """
                )
            )
        );
        await _server.StartAsync();
        _port = new Uri(((IApplicationBuilder)_server).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
    }

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tokens_of_each_minute_and_their_cost_are_a_plain_count_over_the_rows(bool disturbed)
    {
        // The plain count: whole minutes by their text, summed without conversion.
        var minutes = new SortedDictionary<string, (BigInteger Prompt, BigInteger Generated)>(StringComparer.Ordinal);
        foreach (var (at, promptTokens, generatedTokens) in SyntheticTraces.Chat())
        {
            var minute = at.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
            var (p, g) = minutes.GetValueOrDefault(minute);
            minutes[minute] = (p + promptTokens, g + generatedTokens);
        }
        minutes.Should().HaveCount(60);

        var pod = new TargetPod
        {
            Uid = "chat-0",
            Namespace = Namespace,
            Name = "chat-0",
            Ips = ["127.0.0.1"],
            Scrape = [new() { Port = _port, Kind = ScrapeTarget.Serving }],
        };
        var targets = new TargetStore();
        targets.Replace(new() { Pods = [pod] });
        using var journal = UsageJournal.Open(new(), new Random(1), _time, NullLogger.Instance);
        using var progress = new ProgressIntake(journal, _time);
        using var scraper = new PodScraper(new(), _time);
        var scrapes = new ScrapeLoop(
            scraper,
            new(),
            targets,
            progress,
            new(journal, _time),
            new AgentCounters(),
            _time,
            NullLogger<ScrapeLoop>.Instance
        );

        var ledger = new GpuLedger();
        ledger.Install(Start);
        ledger.Reprice("A100", A100, Start);
        ledger.ObserveNode(Node, "A100", 1, Start);
        ledger.Observe(
            new()
            {
                Uid = pod.Uid,
                Pod = pod.Name,
                Workload = new(Namespace, "Deployment", "chat", "chat"),
                Class = WorkloadClass.Inference,
                Labels = new Dictionary<string, string>(),
                Node = Node,
                Gpus = 1,
                ScheduledAt = Start,
                ObservedAt = Start,
            }
        );
        await scrapes.ScrapeAllAsync(default); // the server runs, and has served nothing
        UsageReport? last = null;
        var before = Take();
        var random = new Random(5);
        var stored = new Dictionary<string, string>();
        var ticks = 0;
        foreach (var (minute, (p, g)) in minutes)
        {
            var from = _time.GetUtcNow();
            from.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture).Should().Be(minute);
            _prompt += (long)p;
            _generated += (long)g;
            _time.Advance(TimeSpan.FromMinutes(1));
            await scrapes.ScrapeAllAsync(default);
            var after = Take();
            (after.Prompt - before.Prompt, after.Generated - before.Generated).Should().Be(((long)p, (long)g), minute);
            before = after;

            // The cost of the minute, and the cost by its tokens, exactly.
            var cost = ledger.Spent(Namespace, LabelSelector.Everything, from, _time.GetUtcNow(), _time.GetUtcNow());
            ((BigInteger)cost.Units).Should().Be(new BigInteger(4_000_000_000) * 60_000);

            if (!disturbed)
                continue;
            if (++ticks % 17 == 0)
                (_prompt, _generated) = (0, 0); // the server was restarted
            if (random.Next(4) == 0)
                ledger.Record(last!, null); // an answer taken twice
            if (random.Next(6) == 0)
            {
                LedgerWorld.Write(ledger, stored);
                ledger = LedgerWorld.Read(stored.Values);
            }
        }

        var now = _time.GetUtcNow();
        var tokens = minutes.Values.Aggregate(BigInteger.Zero, (sum, one) => sum + one.Prompt + one.Generated);
        var spent = ledger.Spent(Namespace, LabelSelector.Everything, Start, now, now);
        spent.ToString().Should().Be("4.000000", "one A100 for an hour");
        var line = CostReport
            .Create(ledger, new(Start, now, ReportBy.Workload, Namespace), now, _ => null)
            .Rows.Should()
            .ContainSingle()
            .Which;
        line.Spent.Should().Be(spent);
        // Per 1,000 tokens: 4 × 10⁹ nano × 3,600,000 ms × 1,000 ÷ tokens, rounded half to even to a unit.
        var quotient = BigInteger.DivRem(new BigInteger(4_000_000_000) * 3_600_000 * 1_000, tokens, out var rest);
        if (rest * 2 > tokens || rest * 2 == tokens && !quotient.IsEven)
            quotient++;
        ((BigInteger)UnitCosts.PerThousandTokens(line.WholeDays)!.Value.Units).Should().Be(quotient);

        TokenSums Take()
        {
            var cursor = ledger.Cursor(Node);
            last = journal.Read(Node, cursor is null ? null : new(cursor.Epoch, cursor.Seq));
            ledger.Record(last, cursor).Gap.Should().BeNull();
            var moment = _time.GetUtcNow();
            var work = ledger.SpentByWorkload(
                Namespace,
                LabelSelector.Everything,
                Start,
                moment.AddMilliseconds(1),
                moment.AddMilliseconds(1)
            );
            return work.Single().Usage.Tokens.GetValueOrDefault(Model) ?? new(0, 0, 0);
        }
    }
}
