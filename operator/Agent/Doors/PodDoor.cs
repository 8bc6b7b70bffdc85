using System.Text.Json;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Core.Usage;
using Microsoft.AspNetCore.Http;

namespace Bursar.Agent.Doors;

/// <summary>
/// What a pod of this node may say about itself: <c>POST /v1/progress {step, total?, checkpointAt?}</c>. The source address tells
/// which pod speaks; an address of no pod or of several (host network, masquerading) is refused with the reason.
/// </summary>
internal sealed class PodDoor(TargetStore targets, ProgressIntake progress, AgentCounters counters, TimeProvider time, IAgentActivity? activity)
{
    private const int MaxBytes = 4096;
    private const long MaxSteps = 1_000_000_000_000_000;

    /// <summary>How far a pod's clock may be ahead of the node's.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(5);

    public async Task HandleAsync(HttpContext context)
    {
        if (context.Request.Method != "POST" || context.Request.Path.Value != "/v1/progress")
        {
            await Answers.NotFoundAsync(context);
            return;
        }
        activity?.Begin();
        try
        {
            await ProgressAsync(context);
        }
        finally
        {
            activity?.End();
        }
    }

    private async Task ProgressAsync(HttpContext context)
    {
        var address = TargetStore.Plain(context.Connection.RemoteIpAddress!);
        var pods = targets.FindByAddress(address);
        if (pods.Count != 1)
        {
            counters.Posted(pods.Count == 0 ? "unknown-address" : "ambiguous-address");
            await Answers.RefuseAsync(context, 403, pods.Count == 0
                ? $"no live pod of this node is known by the address {address}"
                : $"{pods.Count} live pods share the address {address} (host network or masquerading), so the sender cannot be told");
            return;
        }
        if (await Answers.BodyAsync(context, MaxBytes) is not { } body)
        {
            counters.Posted("malformed");
            await Answers.RefuseAsync(context, 413, $"progress has at most {MaxBytes} bytes");
            return;
        }
        ProgressPost? post = null;
        string? wrong;
        try
        {
            post = JsonSerializer.Deserialize(body, UsageJson.Default.ProgressPost);
            wrong = Wrong(post);
        }
        catch (JsonException exception)
        {
            wrong = $"not progress: {exception.Message}";
        }
        if (wrong is not null)
        {
            counters.Posted("malformed");
            await Answers.RefuseAsync(context, 400, wrong);
            return;
        }
        counters.Posted("accepted");
        progress.Take(new ProgressSample
        {
            PodUid = pods[0].Uid,
            Step = post!.Step!.Value,
            Total = post.Total,
            CheckpointAt = post.CheckpointAt is { } at ? WireTime.Truncate(at.ToUniversalTime()) : null,
            At = WireTime.Truncate(time.GetUtcNow()),
        });
        context.Response.StatusCode = 204;
    }

    private string? Wrong(ProgressPost? post) => post switch
    {
        null or { Step: null } => "step is missing",
        { Step: < 0 or > MaxSteps } => $"step {post.Step} is not between 0 and {MaxSteps}",
        { Total: < 1 or > MaxSteps } => $"total {post.Total} is not between 1 and {MaxSteps}",
        { Total: { } total } when post.Step > total => $"step {post.Step} is beyond the total {total}",
        { CheckpointAt: { } at } when at > time.GetUtcNow() + ClockSkew => $"checkpointAt {at:O} lies in the future",
        { CheckpointAt: { } at } when at < DateTimeOffset.UnixEpoch => $"checkpointAt {at:O} lies before 1970",
        _ => null,
    };
}
