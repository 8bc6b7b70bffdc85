using System.Globalization;
using System.Text.Json;
using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Agent.Scrape;
using Bursar.Core.Prices;
using Bursar.Core.Usage;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Bursar.Agent.Endpoints;

/// <summary>
/// Serves the operator, whose identity the TLS handshake has verified:
/// <c>GET /v1/usage?after=&lt;epoch&gt;:&lt;seq&gt;&amp;wait=&lt;seconds&gt;</c>, <c>PUT /v1/targets</c>,
/// <c>GET /v1/signals?after=&lt;revision&gt;&amp;wait=&lt;seconds&gt;</c>.
/// </summary>
internal sealed partial class OperatorEndpoint(
    string node,
    UsageJournal journal,
    TargetStore targets,
    Sampler sampler,
    ScrapeLoop scrapes,
    SignalRevision revision,
    TimeProvider time,
    CancellationToken stopping,
    ILogger<OperatorEndpoint> logger
)
{
    private const int DefaultWaitSeconds = 30;
    private const int MaxWaitSeconds = 60;

    /// <summary>500 pods with their scrape targets take about 200 KiB.</summary>
    private const int MaxTargetsBytes = 8 * 1024 * 1024;

    public Task HandleAsync(HttpContext context) =>
        (context.Request.Method, context.Request.Path.Value) switch
        {
            ("GET", "/v1/usage") => UsageAsync(context),
            ("PUT", "/v1/targets") => TargetsAsync(context),
            ("GET", "/v1/signals") => SignalsAsync(context),
            _ => Answers.NotFoundAsync(context),
        };

    private async Task UsageAsync(HttpContext context)
    {
        string afterText = context.Request.Query["after"].ToString();
        var after = JournalCursor.TryParse(afterText);
        if (after is null && afterText.Length > 0)
        {
            await Answers.RefuseAsync(context, 400, $"after='{afterText}' is not <epoch>:<seq>");
            return;
        }
        if (await WaitOfAsync(context) is not { } wait)
            return;
        // A request acknowledges the entries up to its cursor, even if there is nothing new yet.
        var report = journal.Read(node, after);
        if (after is not null && Empty(report) && report.First <= after.Seq + 1 && report.Epoch == after.Epoch)
        {
            using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
            try
            {
                await journal.WaitAsync(after, wait, end.Token);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
            {
                // An agent that stops still answers, so that the operator does not consider it unreachable.
            }
            report = journal.Read(node, after);
        }
        await Answers.JsonAsync(context, 200, Sourced(report, sampler.View?.Gpus), UsageJson.Default.UsageReport);
    }

    private async Task TargetsAsync(HttpContext context)
    {
        if (await Answers.BodyAsync(context, MaxTargetsBytes) is not { } body)
        {
            await Answers.RefuseAsync(context, 413, $"a list of targets has at most {MaxTargetsBytes} bytes");
            return;
        }
        TargetList? list;
        try
        {
            list = JsonSerializer.Deserialize(body, UsageJson.Default.TargetList);
        }
        catch (JsonException exception)
        {
            await Answers.RefuseAsync(context, 400, $"not a list of targets: {exception.Message}");
            return;
        }
        if (
            list?.Pods is null
            || list.Pods.Any(p =>
                p?.Ips is null
                || p.Scrape is null
                || string.IsNullOrEmpty(p.Uid)
                || p.Scrape.Any(s => s?.Path is null || s.Kind is null)
                || p.Checkpoint is { Id: null or "" }
            )
        )
        {
            await Answers.RefuseAsync(context, 400, "not a list of targets: every pod has a uid, a namespace, a name, ips and scrape");
            return;
        }
        targets.Replace(list);
        LogTargets(list.Revision, list.Pods.Count);
        context.Response.StatusCode = 204;
    }

    private async Task SignalsAsync(HttpContext context)
    {
        string afterText = context.Request.Query["after"].ToString();
        if (afterText.Length > 0)
        {
            if (!long.TryParse(afterText, NumberStyles.None, CultureInfo.InvariantCulture, out long after))
            {
                await Answers.RefuseAsync(context, 400, $"after='{afterText}' is not a revision");
                return;
            }
            if (await WaitOfAsync(context) is not { } wait)
                return;
            using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
            try
            {
                await revision.WaitAsync(after, wait, end.Token);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
            {
                // An agent that stops still answers.
            }
        }
        await Answers.JsonAsync(context, 200, Signals(), EndpointJson.Default.SignalReport);
    }

    /// <summary>Reads how long a poll waits. Null if the query is invalid and the refusal has been sent.</summary>
    private static async Task<TimeSpan?> WaitOfAsync(HttpContext context)
    {
        string text = context.Request.Query["wait"].ToString();
        int seconds = DefaultWaitSeconds;
        if (text.Length > 0 && !int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out seconds))
        {
            await Answers.RefuseAsync(context, 400, $"wait='{text}' is not a number of seconds");
            return null;
        }
        return TimeSpan.FromSeconds(Math.Min(seconds, MaxWaitSeconds));
    }

    private SignalReport Signals()
    {
        // Read the revision before the signals, so that a change in between is reported twice rather than never.
        long current = revision.Current;
        var view = sampler.View;
        return new SignalReport
        {
            Node = node,
            Now = WireTime.Truncate(time.GetUtcNow()),
            Revision = current,
            Source = view?.Gpus.StateText ?? "",
            Devices = view is null
                ? []
                :
                [
                    .. view
                        .Gpus.Devices.Where(d => d.Uuid.Length > 0)
                        .Select(d => new DeviceSignal
                        {
                            Device = d.Uuid,
                            Name = d.Name,
                            At = WireTime.Truncate(view.At),
                            Lost = d.Lost,
                            UtilizationPercent = d.UtilizationPercent,
                            MemoryUsedBytes = d.MemoryUsedBytes,
                            MemoryTotalBytes = d.MemoryTotalBytes,
                            TemperatureCelsius = d.TemperatureCelsius,
                            PowerMilliwatts = d.PowerMilliwatts,
                            PodUids =
                            [
                                .. view.Holdings.Where(h => h.Key.Device == d.Uuid).Select(h => h.PodUid).OfType<string>().Distinct(),
                            ],
                        }),
                ],
            Pods =
            [
                .. scrapes.Gauges.Select(g => new PodSignal
                {
                    PodUid = g.PodUid,
                    At = g.At,
                    RequestsRunning = g.Gauges.Running,
                    RequestsWaiting = g.Gauges.Waiting,
                    CacheUse = g.Gauges.CacheUse,
                    PromptTokens = g.Tokens.Count == 0 ? null : g.Tokens.Sum(t => t.Prompt),
                    GeneratedTokens = g.Tokens.Count == 0 ? null : g.Tokens.Sum(t => t.Generated),
                    FirstToken = HistogramSignal.From(g.Histograms.GetValueOrDefault(ServingLatency.FirstToken)),
                    BetweenTokens = HistogramSignal.From(g.Histograms.GetValueOrDefault(ServingLatency.BetweenTokens)),
                    EndToEnd = HistogramSignal.From(g.Histograms.GetValueOrDefault(ServingLatency.EndToEnd)),
                }),
            ],
        };
    }

    private static UsageReport Sourced(UsageReport report, GpuSnapshot? gpus) =>
        gpus is null
            ? report
            : report with
            {
                Source = gpus.Devices.Any(d => !d.Lost) ? gpus.Source : UsageReport.NoSource,
                Product = NodeDevices.ProductNamed(gpus.Devices.Where(d => d.ParentUuid is null && !d.Lost).Select(d => d.Name)),
            };

    private static bool Empty(UsageReport report) =>
        report.Intervals.Count + report.Progress.Count + report.Tokens.Count + report.Checkpoints.Count == 0;

    [LoggerMessage(Level = LogLevel.Debug, Message = "Received targets revision {Revision} with {Pods} pods")]
    private partial void LogTargets(string revision, int pods);
}
