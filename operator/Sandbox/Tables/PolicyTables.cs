using System.Text.Json.Nodes;
using static Bursar.Sandbox.Tables.Cells;
using static Bursar.Sandbox.Tables.TableLayout;

namespace Bursar.Sandbox.Tables;

/// <summary>Tables of RBAC, network and disruption policies, admission and custom resource definitions.</summary>
internal static class PolicyTables
{
    /// <summary>Roles and CRDs have their creation time instead of an age.</summary>
    public static TableLayout CreatedAt { get; } =
        new([NameColumn, new Schemas.ColumnInfo("Created At", "date", "", "", "When the object was created.")], (o, _) =>
            [Name(o), o.Text("metadata", "creationTimestamp")]
        );

    public static TableLayout Binding { get; } =
        new(
            [
                NameColumn,
                Column("Role", "The role that is given."),
                AgeColumn,
                Wide("Users", "Users who get it."),
                Wide("Groups", "Groups that get it."),
                Wide("ServiceAccounts", "Service accounts that get it."),
            ],
            (o, now) =>
                [
                    Name(o),
                    $"{o.Text("roleRef", "kind")}/{o.Text("roleRef", "name")}",
                    Age(o, now),
                    Subjects(o, "User"),
                    Subjects(o, "Group"),
                    Subjects(o, "ServiceAccount"),
                ]
        );

    public static TableLayout NetworkPolicy { get; } =
        new([NameColumn, Column("Pod-Selector", "Labels of the pods it applies to."), AgeColumn], (o, now) =>
            [Name(o), Selector(o.At("spec", "podSelector")), Age(o, now)]
        );

    public static TableLayout PodDisruptionBudget { get; } =
        new(
            [
                NameColumn,
                Column("Min Available", "How many pods must stay."),
                Column("Max Unavailable", "How many pods may be missing."),
                Column("Allowed Disruptions", "How many pods may be evicted now.", "integer"),
                AgeColumn,
            ],
            (o, now) =>
                [
                    Name(o),
                    o.Text("spec", "minAvailable").Or("N/A"),
                    o.Text("spec", "maxUnavailable").Or("N/A"),
                    o.Number("status", "disruptionsAllowed"),
                    Age(o, now),
                ]
        );

    public static TableLayout WebhookConfiguration { get; } =
        new([NameColumn, Column("Webhooks", "How many webhooks it names.", "integer"), AgeColumn], (o, now) =>
            [Name(o), o.Count("webhooks"), Age(o, now)]
        );

    public static TableLayout ValidatingAdmissionPolicy { get; } =
        new(
            [
                NameColumn,
                Column("Validations", "How many rules it holds.", "integer"),
                Column("ParamKind", "The kind that its parameters have."),
                AgeColumn,
            ],
            (o, now) =>
                [
                    Name(o),
                    o.Count("spec", "validations"),
                    o.At("spec", "paramKind") is { } kind ? $"{kind.Text("apiVersion")}/{kind.Text("kind")}" : "<unset>",
                    Age(o, now),
                ]
        );

    public static TableLayout ValidatingAdmissionPolicyBinding { get; } =
        new(
            [
                NameColumn,
                Column("PolicyName", "The policy that is bound."),
                Column("ParamRef", "The parameters it is bound to."),
                AgeColumn,
            ],
            (o, now) => [Name(o), o.Text("spec", "policyName"), ParamRef(o.At("spec", "paramRef")), Age(o, now)]
        );

    private static string ParamRef(JsonNode? reference)
    {
        if (reference is null)
        {
            return "<unset>";
        }

        if (reference.Text("name") is not { Length: > 0 } name)
        {
            return reference.At("selector") is { } selector ? Selector(selector) : "";
        }

        return reference.Text("namespace") is { Length: > 0 } space ? $"{space}/{name}" : $"*/{name}";
    }

    private static string Subjects(JsonObject binding, string kind) =>
        string.Join(
            ", ",
            binding
                .List("subjects")
                .Where(s => s.Text("kind") == kind)
                .Select(s => kind == "ServiceAccount" ? $"{s.Text("namespace")}/{s.Text("name")}" : s.Text("name"))
        );
}
