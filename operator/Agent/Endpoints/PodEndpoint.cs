using System.Text.Json;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Core.Usage;
using Microsoft.AspNetCore.Http;

namespace Bursar.Agent.Endpoints;

/// <summary>
/// Serves the pods of this node. <c>POST /v1/progress {step, total?, checkpointAt?}</c> reports progress. <c>GET /v1/checkpoint</c>
/// returns the requested checkpoint, <c>POST /v1/checkpoint {id, done?, step?}</c> acknowledges it. The source address identifies the
/// pod; an address of no pod or of several (host network, masquerading) is refused with the reason.
/// </summary>
internal sealed class PodEndpoint(
    TargetStore targets,
    ProgressIntake progress,
    CheckpointIntake checkpoints,
    AgentCounters counters,
    TimeProvider time
)
{
    private const int MaxBytes = 4096;
    private const long MaxSteps = 1_000_000_000_000_000;

    /// <summary>How far a pod's clock may be ahead of the node's.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(5);

    public async Task HandleAsync(HttpContext context)
    {
        Func<HttpContext, TargetPod, Task>? answer = (context.Request.Method, context.Request.Path.Value) switch
        {
            ("POST", "/v1/progress") => ProgressAsync,
            ("GET", "/v1/checkpoint") => CheckpointAsync,
            ("POST", "/v1/checkpoint") => AcknowledgedAsync,
            _ => null,
        };
        if (answer is null)
        {
            await Answers.NotFoundAsync(context);
            return;
        }
        if (await SenderAsync(context) is { } pod)
            await answer(context, pod);
    }

    /// <summary>Identifies the sending pod. Null if it cannot be identified and the refusal has been sent.</summary>
    private async Task<TargetPod?> SenderAsync(HttpContext context)
    {
        var address = TargetStore.Plain(context.Connection.RemoteIpAddress!);
        var pods = targets.FindByAddress(address);
        if (pods.Count == 1)
            return pods[0];
        if (context.Request.Path.Value == "/v1/progress")
            counters.Posted(pods.Count == 0 ? "unknown-address" : "ambiguous-address");
        await Answers.RefuseAsync(
            context,
            403,
            pods.Count == 0
                ? $"no live pod of this node is known by the address {address}"
                : $"{pods.Count} live pods share the address {address} (host network or masquerading), so the sender cannot be identified"
        );
        return null;
    }

    private Task CheckpointAsync(HttpContext context, TargetPod pod)
    {
        if (checkpoints.Requested(pod.Uid, pod.Checkpoint?.Id) || pod.Checkpoint is not { } wanted)
        {
            context.Response.StatusCode = 204;
            return Task.CompletedTask;
        }
        return Answers.JsonAsync(context, 200, wanted, UsageJson.Default.CheckpointWanted);
    }

    private async Task AcknowledgedAsync(HttpContext context, TargetPod pod)
    {
        if (await Answers.BodyAsync(context, MaxBytes) is not { } body)
        {
            await Answers.RefuseAsync(context, 413, $"an acknowledgement has at most {MaxBytes} bytes");
            return;
        }
        CheckpointPost? post = null;
        string? wrong;
        try
        {
            post = JsonSerializer.Deserialize(body, UsageJson.Default.CheckpointPost);
            wrong = Wrong(post, pod.Checkpoint);
        }
        catch (JsonException exception)
        {
            wrong = $"not an acknowledgement: {exception.Message}";
        }
        if (wrong is not null)
        {
            await Answers.RefuseAsync(context, 400, wrong);
            return;
        }
        if (post!.Id != pod.Checkpoint?.Id)
        {
            await Answers.RefuseAsync(context, 409, "this checkpoint is not requested (any more)");
            return;
        }
        var now = WireTime.Truncate(time.GetUtcNow());
        checkpoints.Acknowledged(
            new CheckpointSample
            {
                PodUid = pod.Uid,
                At = now,
                Id = post.Id,
                Done = post.Done is { } done ? WireTime.Truncate(done.ToUniversalTime()) : now,
                Step = post.Step,
            }
        );
        context.Response.StatusCode = 204;
    }

    private async Task ProgressAsync(HttpContext context, TargetPod pod)
    {
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
        progress.Record(
            new ProgressSample
            {
                PodUid = pod.Uid,
                Step = post!.Step!.Value,
                Total = post.Total,
                CheckpointAt = post.CheckpointAt is { } at ? WireTime.Truncate(at.ToUniversalTime()) : null,
                At = WireTime.Truncate(time.GetUtcNow()),
            }
        );
        context.Response.StatusCode = 204;
    }

    private string? Wrong(CheckpointPost? post, CheckpointWanted? wanted) =>
        post switch
        {
            null or { Id: null or "" } => "id is missing",
            { Id.Length: > CheckpointSample.LongestId } => $"id has more than {CheckpointSample.LongestId} characters",
            { Step: < 0 or > MaxSteps } => $"step {post.Step} is not between 0 and {MaxSteps}",
            { Done: { } at } when at > time.GetUtcNow() + ClockSkew => $"done {at:O} lies in the future",
            { Done: { } at } when wanted is not null && at < wanted.Requested - ClockSkew => $"done {at:O} lies before the request",
            _ => null,
        };

    private string? Wrong(ProgressPost? post) =>
        post switch
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
