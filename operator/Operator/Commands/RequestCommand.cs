using System.CommandLine;
using System.Text;
using Bursar.Api;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Commands;

/// <summary><c>bursar request gpub/&lt;name&gt;</c>: creates a GpuBudgetRequest in the name of the user.</summary>
internal static class RequestCommand
{
    /// <summary>The longest part of the budget's name in the name of the request, to which the API server adds five characters.</summary>
    private const int LongestPrefix = 240;

    public static Command Create()
    {
        var access = new ClusterAccess();
        var budget = BudgetName.Argument(ArgumentArity.ExactlyOne);
        var ns = new Option<string?>("--namespace", "-n")
        {
            Description = "The namespace of the request, which is that of a GpuBudget; by default the context's.",
        };
        var amount = new Option<string>("--amount")
        {
            Description = "The amount to add to the limit, in the budget's currency.",
            Required = true,
        };
        var reason = new Option<string>("--reason") { Description = "The reason, for the user who approves it.", Required = true };
        var until = new Option<string?>("--until")
        {
            Description = "When the grant expires (RFC 3339); by default when the window ends in which it is approved.",
        };
        var command = new Command("request", "Request an addition to the limit of a budget in its current window.")
        {
            budget,
            ns,
            amount,
            reason,
            until,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(budget) is { } named && BudgetName.TryParse(named, "-") is null)
                result.AddError($"\"{named}\" does not name a budget; write gpub/<name> or cgpub/<name>.");
            if (result.GetValue(amount) is { } text && (!Amount.TryParse(text, out var value) || value <= Amount.Zero))
                result.AddError($"--amount \"{text}\" is not an amount above zero, such as 50 or 2.295.");
            if (result.GetValue(until) is { } time && !Rfc3339.TryParse(time, out _))
                result.AddError($"--until \"{time}\" is not a time such as 2026-11-21T00:00:00Z.");
            if (result.GetValue(reason) is { Length: > 256 })
                result.AddError("--reason has at most 256 characters.");
        });
        access.AddTo(command);
        command.SetAction((parsed, cancellationToken) => access.RunAsync(parsed, (client, _) =>
                {
                    var space = parsed.GetValue(ns) ?? client.Config.Namespace ?? "default";
                    var spec = new GpuBudgetRequestSpec
                    {
                        Amount = parsed.GetRequiredValue(amount),
                        Reason = parsed.GetRequiredValue(reason),
                        Until = parsed.GetValue(until),
                    };
                    var id = BudgetName.Parse(parsed.GetRequiredValue(budget)!, space);
                    return RunAsync(client, space, id, spec, parsed.InvocationConfiguration.Output, cancellationToken);
                }));
        return command;
    }

    /// <param name="client">The client.</param>
    /// <param name="ns">The namespace of the request.</param>
    /// <param name="budget">The budget.</param>
    /// <param name="spec">The amount, the reason and the time. The budget and the user are filled in.</param>
    /// <param name="output">Receives the name of the request.</param>
    /// <param name="cancellationToken">Cancels the requests.</param>
    /// <exception cref="CommandException">The budget does not exist, or a right is missing.</exception>
    public static async Task<int> RunAsync(
        KubeClient client,
        string ns,
        BudgetId budget,
        GpuBudgetRequestSpec spec,
        TextWriter output,
        CancellationToken cancellationToken
    )
    {
        if (!await ExistsAsync(client, budget, cancellationToken))
            throw new CommandException($"there is no {budget.InWords}.");
        (spec.Budget, spec.ClusterBudget) = budget.IsCluster ? (null, budget.Name) : (budget.Name, (string?)null);
        spec.RequestedBy = await UsernameAsync(client, cancellationToken);
        var request = await ClusterAccess.WithRightAsync(
            $"create {V1Alpha1GpuBudgetRequest.PluralName}.{ApiGroup.Name} in namespace {ns}",
            () =>
                client.CreateAsync(
                    new V1Alpha1GpuBudgetRequest
                    {
                        Metadata = new() { GenerateName = $"{Prefix(budget.Name)}-", Namespace = ns },
                        Spec = spec,
                    },
                    cancellationToken
                )
        );
        await output.WriteLineAsync(
            $"GpuBudgetRequest {ns}/{request.Metadata.Name} asks for {spec.Amount} for {budget}. Approve it with: kubectl bursar approve gpubr/{request.Metadata.Name} -n {ns}"
        );
        return 0;
    }

    /// <summary>Returns whether a budget exists; true without the right to read it.</summary>
    private static async Task<bool> ExistsAsync(KubeClient client, BudgetId budget, CancellationToken cancellationToken)
    {
        try
        {
            _ = budget.IsCluster
                ? await client.GetAsync<V1Alpha1ClusterGpuBudget>(budget.Name, null, cancellationToken)
                : (BudgetObject)await client.GetAsync<V1Alpha1GpuBudget>(budget.Name, budget.Namespace, cancellationToken);
            return true;
        }
        catch (ApiException refused) when (refused.IsForbidden)
        {
            return true;
        }
        catch (ApiException missing) when (missing.IsNotFound && !Failures.IsKindMissing(missing))
        {
            return false;
        }
    }

    /// <summary>Returns the name by which the API server knows the user of this client.</summary>
    public static async Task<string> UsernameAsync(KubeClient client, CancellationToken cancellationToken)
    {
        using var review = new StringContent(
            """{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}""",
            Encoding.UTF8,
            "application/json"
        );
        var answer = await client.RequestAsync(
            HttpMethod.Post,
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            review,
            cancellationToken
        );
        return (string?)answer?["status"]?["userInfo"]?["username"]
            ?? throw new CommandException("the API server does not say which user these credentials belong to.");
    }

    private static string Prefix(string name) => name.Length <= LongestPrefix ? name : name[..LongestPrefix];
}
