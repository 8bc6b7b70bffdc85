using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Conditions;

namespace Bursar.Operator.Commands;

/// <summary>
/// <c>bursar approve</c> and <c>bursar deny</c>: set the condition Approved or Denied of a GpuBudgetRequest in the name of the user.
/// </summary>
internal static class AnswerCommands
{
    public static Command CreateApprove() => Create("approve", "Approve a GpuBudgetRequest: its amount is added to the limit.", true);

    public static Command CreateDeny() =>
        Create("deny", "Deny a GpuBudgetRequest. The unused part of a request that was approved leaves the limit.", false);

    private static Command Create(string name, string description, bool approves)
    {
        var access = new ClusterAccess();
        var request = new Argument<string>("request") { Description = "The request, as gpubr/<name>." };
        var ns = new Option<string?>("--namespace", "-n") { Description = "The request's namespace; by default the context's." };
        var reason = new Option<string?>("--reason")
        {
            Description = approves ? "A message for the user who made the request." : "The reason, for the user who made the request.",
            Required = !approves,
        };
        var command = new Command(name, description) { request, ns, reason };
        command.Validators.Add(result =>
        {
            if (result.GetValue(request) is { } named && TryParse(named) is null)
                result.AddError($"\"{named}\" does not name a request; write gpubr/<name>.");
        });
        access.AddTo(command);
        command.SetAction(
            (parsed, cancellationToken) =>
                access.RunAsync(parsed, (client, _) =>
                    RunAsync(
                        client,
                        parsed.GetValue(ns) ?? client.Config.Namespace ?? "default",
                        TryParse(parsed.GetRequiredValue(request))!,
                        approves,
                        parsed.GetValue(reason),
                        parsed.InvocationConfiguration.Output,
                        cancellationToken
                    )
                )
        );
        return command;
    }

    /// <exception cref="CommandException">The request does not exist, or has the answer already.</exception>
    public static async Task<int> RunAsync(
        KubeClient client,
        string ns,
        string name,
        bool approves,
        string? reason,
        TextWriter output,
        CancellationToken cancellationToken
    )
    {
        const int mostTries = 5;
        for (var tried = 1; ; tried++)
        {
            try
            {
                var user = await AnswerAsync(client, ns, name, approves, reason, cancellationToken);
                await output.WriteLineAsync($"GpuBudgetRequest {ns}/{name} is {(approves ? "approved" : "denied")} by {user}.");
                return 0;
            }
            catch (ApiException raced) when (raced.IsConflict && tried < mostTries)
            {
                // The operator wrote its part of the status, or another user answered. Read the request again.
            }
        }
    }

    /// <summary>Writes the answer on the version of the request that was read, and returns the user in whose name it is written.</summary>
    private static async Task<string> AnswerAsync(
        KubeClient client,
        string ns,
        string name,
        bool approves,
        string? reason,
        CancellationToken cancellationToken
    )
    {
        var request = await ClusterAccess.GetOrNullAsync<V1Alpha1GpuBudgetRequest>(client, name, ns, cancellationToken)
            ?? throw new CommandException($"there is no GpuBudgetRequest {name} in namespace {ns}.");
        var read = GpuBudgetRequestReader.Read(request);
        if (read.IsDenied)
            throw new CommandException(
                $"GpuBudgetRequest {ns}/{name} is denied{By(read)}, and an answer stays. To ask again, make a new request."
            );
        if (approves && read.IsApproved)
            throw new CommandException($"GpuBudgetRequest {ns}/{name} is approved already{By(read)}.");
        var user = await RequestCommand.UsernameAsync(client, cancellationToken);
        var conditions = Conditions.Set(
            request.Status?.Conditions ?? [],
            new()
            {
                Type = approves ? ConditionTypes.Approved : ConditionTypes.Denied,
                Status = "True",
                Reason = approves ? "ApprovedByUser" : "DeniedByUser",
                Message = reason ?? "",
                ObservedGeneration = request.Metadata.Generation,
            },
            ClusterAccess.NowIn(client)
        );
        var status = JsonSerializer.SerializeToNode(
            new V1Alpha1GpuBudgetRequest
            {
                Status = new() { ApprovedBy = user, Conditions = conditions },
            },
            ApiJson.GpuBudgetRequest
        )!["status"]!;
        await ClusterAccess.WithRightAsync($"patch {V1Alpha1GpuBudgetRequest.PluralName}/status.{ApiGroup.Name} in namespace {ns}", () =>
            client.PatchAsync<V1Alpha1GpuBudgetRequest>(
                name,
                ns,
                KubePatch.Merge(
                    new JsonObject
                    {
                        ["metadata"] = new JsonObject
                        {
                            ["uid"] = request.Metadata.Uid,
                            ["resourceVersion"] = request.Metadata.ResourceVersion,
                        },
                        ["status"] = status.DeepClone(),
                    }
                ) with
                {
                    Subresource = "status",
                },
                cancellationToken
            )
        );
        return user;
    }

    private static string By(GrantRequest request) => request.AnsweredBy is { } who ? $" by {who}" : "";

    /// <summary>Returns the name of a request as kubectl accepts it; null if the text names none.</summary>
    private static string? TryParse(string text) =>
        text.Length > 0 && !text.Contains('/', StringComparison.Ordinal)
            ? text
            : ObjectName.TryParse(text, "gpubr", "gpubudgetrequest", "gpubudgetrequests", "gpubudgetrequests.bursar.dev");
}
