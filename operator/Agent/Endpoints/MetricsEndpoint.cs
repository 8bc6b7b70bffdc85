using Bursar.Agent.Certificates;
using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.Sampling;
using Bursar.Agent.Scrape;
using Microsoft.AspNetCore.Http;
using Prometheus;

namespace Bursar.Agent.Endpoints;

/// <summary>
/// Serves <c>GET /metrics</c> and <c>GET /healthz</c>. A missing driver and missing certificates are normal and do not fail the health
/// check.
/// </summary>
internal sealed class MetricsEndpoint(
    string node,
    string version,
    Sampler sampler,
    ScrapeLoop scrapes,
    UsageJournal journal,
    CertificateFolder certificates,
    AgentCounters counters,
    Func<string?> stopped,
    DateTimeOffset startedAt,
    TimeProvider time
)
{
    /// <summary>Without a sample for this long, the sampler is stuck. Its longest pause is ten seconds.</summary>
    private static readonly TimeSpan Stuck = TimeSpan.FromMinutes(2);

    /// <summary>Gauges of a model server that were scraped longer ago than this are not exported.</summary>
    private static readonly TimeSpan Stale = TimeSpan.FromMinutes(1);

    public async Task HandleAsync(HttpContext context)
    {
        switch (context.Request.Method, context.Request.Path.Value)
        {
            case ("GET", "/healthz"):
                var health = Health();
                await Answers.JsonAsync(context, health.Status == "ok" ? 200 : 503, health, EndpointJson.Default.AgentHealth);
                break;
            case ("GET", "/metrics"):
                context.Response.ContentType = PrometheusConstants.TextContentTypeWithVersionAndEncoding;
                await Page().WriteAsync(context.Response.Body, context.RequestAborted);
                break;
            default:
                await Answers.NotFoundAsync(context);
                break;
        }
    }

    public AgentHealth Health()
    {
        var view = sampler.View;
        string status =
            stopped() is { } failure ? failure
            : time.GetUtcNow() - (view?.At ?? startedAt) > Stuck ? "the sampler is stuck"
            : "ok";
        return new AgentHealth
        {
            Status = status,
            Node = node,
            Gpu = view is null ? "not read yet" : $"{StateText(view.Gpus.State)}: {view.Gpus.StateText}",
            PodResources = sampler.ListFault ?? "ok",
            Journal = journal.Fault ?? "ok",
            Certificates = certificates.Fault ?? "ok",
        };
    }

    private static string StateText(NvmlState state) =>
        state switch
        {
            NvmlState.NoLibrary => "no-library",
            NvmlState.NoDriver => "no-driver",
            _ => "ready",
        };

    private AgentMetrics Page()
    {
        var page = new AgentMetrics();
        var view = sampler.View;
        page.Process(node, version);
        page.Devices(view, StateText);
        page.Serving(scrapes.Gauges.Where(pod => time.GetUtcNow() - pod.At < Stale));
        page.Sampling(counters, sampler.Pause, view?.Gpus.SkippedLines ?? 0);
        page.Journal(journal);
        page.Certificates(certificates.Current is not null);
        return page;
    }
}
