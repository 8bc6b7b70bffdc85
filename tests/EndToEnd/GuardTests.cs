using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Commands;
using Bursar.Operator.Suspension;
using Bursar.Tests.EndToEnd.Worlds;
using Xunit.Abstractions;

namespace Bursar.Tests.EndToEnd;

/// <summary>The chart's policies on a real kube-apiserver: whom they stop, whom they do not, and that nothing hangs for them.</summary>
[Collection(InstallCollection.Name)]
public sealed class GuardTests(GuardedCluster cluster, ITestOutputHelper output) : IClassFixture<GuardedCluster>
{
    private const string Apply = "application/apply-patch+yaml";
    private const string JsonPatch = "application/json-patch+json";
    private const string Merge = "application/merge-patch+json";

    private static CancellationToken Ct => CancellationToken.None;

    private enum Target
    {
        Budget,
        SuspendedJob,
        OwnJob,
        SuspendedDeployment,
        OwnDeployment,
        Team,
    }

    /// <summary>An attempt on an object, and the message that denies it to a tenant. Null if a tenant may do it.</summary>
    private sealed record Attempt(
        string Name,
        Target On,
        string? Refusal,
        HttpMethod Method,
        string? Body = null,
        string Type = Merge,
        string Suffix = "",
        Action<JsonNode>? Edit = null
    );

    private static readonly Attempt[] Attempts =
    [
        Patch("raise the limit", Target.Budget, "may change spec.limit in namespace", """{"spec": {"limit": {"cost": "900"}}}"""),
        Patch(
            "add a top-up",
            Target.Budget,
            "may change spec.topUps",
            """[{"op": "add", "path": "/spec/topUps", "value": [{"amount": "5", "window": "2026-11"}]}]""",
            JsonPatch
        ),
        Patch("change the window", Target.Budget, "may change spec.window", """{"spec": {"window": {"period": "Day"}}}"""),
        Patch("carry budget over", Target.Budget, "may change spec.rollover", """{"spec": {"rollover": {"maxPercent": 100}}}"""),
        Patch("borrow", Target.Budget, "may change spec.borrowing", """{"spec": {"borrowing": {"limit": "100"}}}"""),
        Patch("lend", Target.Budget, "may change spec.lending", """{"spec": {"lending": {"limit": "100"}}}"""),
        Patch(
            "approve requests by rule",
            Target.Budget,
            "may change spec.autoApprove",
            """{"spec": {"autoApprove": {"maxPercent": 100, "perWindow": 9}}}"""
        ),
        Patch("change the mode", Target.Budget, "may change spec.mode", """{"spec": {"mode": "Observe"}}"""),
        Patch("select less", Target.Budget, "may change spec.selector", """{"spec": {"selector": {"matchLabels": {"team": "none"}}}}"""),
        Patch("exempt work", Target.Budget, "may change spec.exempt", """{"spec": {"exempt": {"matchLabels": {"tier": "prod"}}}}"""),
        Patch(
            "name an owner, so that the garbage collector deletes it",
            Target.Budget,
            "may change metadata.ownerReferences",
            """{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}]}}"""
        ),
        Patch(
            "several at once are all named",
            Target.Budget,
            "may change spec.limit, spec.mode in namespace",
            """{"spec": {"limit": {"cost": "900"}, "mode": "Observe", "thresholds": [90]}}"""
        ),
        Put("replace it, as kubectl edit does", Target.Budget, "may change spec.limit", budget =>
            budget["spec"]!["limit"]!["cost"] = "900"
        ),
        Patch(
            "apply another limit by force",
            Target.Budget,
            "may change spec.limit",
            """{"apiVersion": "bursar.dev/v1alpha1", "kind": "GpuBudget", "spec": {"limit": {"cost": "900"}}}""",
            Apply,
            "?fieldManager=me&force=true"
        ),
        new("delete it", Target.Budget, "may delete it in namespace", HttpMethod.Delete),
        Patch(
            "change thresholds and training",
            Target.Budget,
            null,
            """{"spec": {"thresholds": [90], "training": {"victims": "LowestPriority"}}}"""
        ),
        Patch("label and annotate it", Target.Budget, null, """{"metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}}}"""),
        Put("replace it with the same and a threshold", Target.Budget, null, budget => budget["spec"]!["thresholds"] = new JsonArray(70)),
        Patch(
            "apply the same limit",
            Target.Budget,
            null,
            """{"apiVersion": "bursar.dev/v1alpha1", "kind": "GpuBudget", "spec": {"limit": {"cost": "500"}}}""",
            Apply,
            "?fieldManager=me&force=true"
        ),
        new(
            "make another budget",
            Target.Team,
            null,
            HttpMethod.Post,
            """{"apiVersion": "bursar.dev/v1alpha1", "kind": "GpuBudget", "metadata": {"generateName": "more-"}, "spec": {"limit": {"cost": "1"}}}""",
            "application/json",
            "gpubudgets"
        ),
        Patch("resume", Target.SuspendedJob, "is suspended by Bursar (gpubudget/probe)", """{"spec": {"suspend": false}}"""),
        Patch("resume by taking the field away", Target.SuspendedJob, "is suspended by Bursar", """{"spec": {"suspend": null}}"""),
        Patch(
            "resume by JSON patch",
            Target.SuspendedJob,
            "is suspended by Bursar",
            """[{"op": "replace", "path": "/spec/suspend", "value": false}]""",
            JsonPatch
        ),
        Patch(
            "resume by a forced apply",
            Target.SuspendedJob,
            "is suspended by Bursar",
            """{"apiVersion": "batch/v1", "kind": "Job", "spec": {"suspend": false}}""",
            Apply,
            "?fieldManager=me&force=true"
        ),
        Patch(
            "resume and remove the marks in one write",
            Target.SuspendedJob,
            "is suspended by Bursar",
            """{"metadata": {"annotations": {"bursar.dev/suspended-by": null, "bursar.dev/suspended-reason": null}}, "spec": {"suspend": false}}"""
        ),
        Put("replace it with what it was before", Target.SuspendedJob, "is suspended by Bursar", job =>
        {
            job["spec"]!.AsObject().Remove("suspend");
            job["metadata"]!.AsObject().Remove("annotations");
        }),
        Patch(
            "remove the mark, to resume next",
            Target.SuspendedJob,
            "Bursar itself writes bursar.dev/suspended-by: leave it",
            """{"metadata": {"annotations": {"bursar.dev/suspended-by": null}}}"""
        ),
        Patch(
            "change the reason",
            Target.SuspendedJob,
            "Bursar itself writes bursar.dev/suspended-reason",
            """{"metadata": {"annotations": {"bursar.dev/suspended-reason": "BecauseISaySo"}}}"""
        ),
        Patch(
            "add a request for a checkpoint",
            Target.OwnJob,
            "Bursar itself writes bursar.dev/checkpoint-requested",
            """{"metadata": {"annotations": {"bursar.dev/checkpoint-requested": "now"}}}"""
        ),
        Patch(
            "approve a resume",
            Target.SuspendedJob,
            "may approve with the annotation bursar.dev/resume that Bursar resumes a Job",
            """{"metadata": {"annotations": {"bursar.dev/resume": "approved"}}}"""
        ),
        new(
            "make a job that is approved beforehand",
            Target.Team,
            "may approve with the annotation bursar.dev/resume",
            HttpMethod.Post,
            GuardedTeam.JobText("approved", suspended: false, "bursar.dev/resume: approved"),
            "application/yaml",
            "jobs"
        ),
        Patch(
            "approve a Deployment's resume",
            Target.SuspendedDeployment,
            "may approve with the annotation bursar.dev/resume that Bursar resumes a Deployment",
            """{"metadata": {"annotations": {"bursar.dev/resume": "approved"}}}"""
        ),
        Patch(
            "call training interactive",
            Target.OwnJob,
            "may declare with the annotation bursar.dev/class",
            """{"metadata": {"annotations": {"bursar.dev/class": "interactive"}}}"""
        ),
        new(
            "make a job that calls itself inference",
            Target.Team,
            "may declare with the annotation bursar.dev/class",
            HttpMethod.Post,
            GuardedTeam.JobText("serves", suspended: false, "bursar.dev/class: inference"),
            "application/yaml",
            "jobs"
        ),
        Patch("call training training", Target.OwnJob, null, """{"metadata": {"annotations": {"bursar.dev/class": "training"}}}"""),
        Patch(
            "tell its length",
            Target.SuspendedJob,
            null,
            """{"metadata": {"annotations": {"bursar.dev/expected-duration": "1h"}}, "spec": {"parallelism": 2}}"""
        ),
        new(
            "delete the suspended job",
            Target.SuspendedJob,
            null,
            HttpMethod.Delete,
            """{"propagationPolicy": "Background"}""",
            "application/json"
        ),
        Patch("resume what the owner has suspended", Target.OwnJob, null, """{"spec": {"suspend": false}}"""),
        new(
            "make a job from a copied manifest",
            Target.Team,
            "do not copy it to a new Job",
            HttpMethod.Post,
            GuardedTeam.JobText("copied", suspended: true, "bursar.dev/suspended-by: gpubudget/probe"),
            "application/yaml",
            "jobs"
        ),
        new(
            "make a job",
            Target.Team,
            null,
            HttpMethod.Post,
            GuardedTeam.JobText("made", suspended: false, "bursar.dev/expected-duration: 1h"),
            "application/yaml",
            "jobs"
        ),
        Patch(
            "scale up",
            Target.SuspendedDeployment,
            "is scaled to zero by Bursar (gpubudget/probe)",
            """{"spec": {"replicas": 2}}""",
            suffix: "/scale"
        ),
        Put(
            "scale up, as kubectl scale did",
            Target.SuspendedDeployment,
            "is scaled to zero by Bursar",
            scale => scale["spec"]!["replicas"] = 2,
            "/scale"
        ),
        Patch("scale up on the object", Target.SuspendedDeployment, "is scaled to zero by Bursar", """{"spec": {"replicas": 2}}"""),
        Patch(
            "scale up by taking the field away",
            Target.SuspendedDeployment,
            "is scaled to zero by Bursar",
            """{"spec": {"replicas": null}}"""
        ),
        Put("replace the Deployment with what it was", Target.SuspendedDeployment, "is scaled to zero by Bursar", deployment =>
            deployment["spec"]!["replicas"] = 1
        ),
        Patch(
            "scale up by a forced apply",
            Target.SuspendedDeployment,
            "is scaled to zero by Bursar",
            """{"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 2}}""",
            Apply,
            "?fieldManager=me&force=true"
        ),
        Patch(
            "mark it",
            Target.SuspendedDeployment,
            "Bursar itself writes bursar.dev/suspended-by",
            """{"metadata": {"annotations": {"bursar.dev/suspended-by": "me"}}}"""
        ),
        Patch(
            "change its image",
            Target.SuspendedDeployment,
            null,
            """[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "serve:2"}]""",
            JsonPatch
        ),
        Patch("scale up what the owner has scaled to zero", Target.OwnDeployment, null, """{"spec": {"replicas": 2}}""", suffix: "/scale"),
    ];

    [SkippableFact]
    public async Task Tenant_is_denied_with_a_message_and_a_user_with_override_is_not()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-table");
        await PrepareAsync(server, team);
        var wrong = new List<string>();
        for (var i = 0; i < Attempts.Length; i++)
        {
            var attempt = Attempts[i];
            var path = Path(team, attempt, i);
            var before = await EssenceAsync(server, attempt, path);
            var tenant = await TryAsync(team.Tenant, attempt, path);
            output.WriteLine($"{attempt.On}: {attempt.Name}: {(tenant.Code == 0 ? "done" : $"{tenant.Code} {tenant.Message}")}");
            if (attempt.Refusal is null)
            {
                if (tenant.Code != 0)
                    wrong.Add($"a tenant may {attempt.Name}: {tenant}");
                continue;
            }
            if (
                tenant.Code != 403
                || !tenant.Message.Contains(attempt.Refusal, StringComparison.Ordinal)
                || !tenant.Message.Contains("kubectl auth can-i override gpubudgets.bursar.dev -n guard-table", StringComparison.Ordinal)
            )
                wrong.Add($"a tenant may not {attempt.Name}: {tenant}");
            if (await EssenceAsync(server, attempt, path) != before)
                wrong.Add($"a tenant did {attempt.Name}");
            var holder = await TryAsync(team.Holder, attempt, path);
            if (holder.Code != 0)
                wrong.Add($"whoever may override may {attempt.Name}: {holder}");
            else if (attempt.On != Target.Team && await EssenceAsync(server, attempt, path) == before)
                wrong.Add($"whoever may override did not {attempt.Name}");
        }
        wrong.Should().BeEmpty();

        // RBAC lets only the operator write a status, so the guard does not check it.
        var status = await GuardedTeam.SendAsync(
            team.Tenant,
            HttpMethod.Patch,
            team.Budgets + "/probe/status",
            """{"status": {"suspended": []}}"""
        );
        status.Code.Should().Be(403);
        status.Message.Should().Contain("cannot patch resource \"gpubudgets/status\"");
        // A collection is deleted object by object.
        (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Delete, team.Budgets + "?labelSelector=budget%3Dprobe"))
            .Should()
            .Match<Answer>(a => a.Code == 403 && a.Message.Contains("GpuBudget probe"));
    }

    [SkippableFact]
    public async Task Tenant_resumes_what_was_suspended_because_its_GPUs_were_idle()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-idle");
        await SuspendJobAsync(server, team, "sleeps", Reasons.SuspendedIdle);
        await SuspendJobAsync(server, team, "works");
        foreach (var name in (string[])["idle", "chat"])
            await team.DeploymentAsync(name, 0);
        (
            await GuardedTeam.SendAsync(
                team.Bursar,
                HttpMethod.Patch,
                team.Budgets + "/probe/status",
                """
                {"status": {"suspended": [{"kind": "Deployment", "name": "idle", "since": "2026-11-21T10:00:00Z", "reason": "Idle"},
                   {"kind": "Deployment", "name": "chat", "since": "2026-11-21T10:00:00Z", "reason": "BudgetExhausted"}]}}
                """
            )
        ).Code.Should().Be(0);
        Task<Answer> ResumeAsync(string job) =>
            GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, $"{team.Jobs}/{job}", """{"spec": {"suspend": false}}""");
        Task<Answer> ScaleUpAsync(string deployment) =>
            GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, $"{team.Deployments}/{deployment}/scale", """{"spec": {"replicas": 1}}""");

        (await ResumeAsync("works")).Code.Should().Be(403);
        (await ResumeAsync("sleeps")).Code.Should().Be(0);
        await server.UntilAsync("the policy knows what is suspended", async () => (await ScaleUpAsync("chat")).Code == 403, Ct);
        (await ScaleUpAsync("idle")).Code.Should().Be(0);
    }

    [SkippableFact]
    public async Task Every_policy_compiles_without_a_warning()
    {
        var server = await cluster.OpenAsync(Ct);
        foreach (
            var name in (string[])
                [
                    "bursar-guard-budgets",
                    "bursar-guard-cluster-budgets",
                    "bursar-guard-requests",
                    "bursar-guard-jobs",
                    "bursar-guard-deployments",
                    "bursar-guard-deployments-scale",
                    "bursar-guard-deployments-cluster-scale",
                ]
        )
        {
            JsonNode? status = null;
            await server.UntilAsync(
                $"{name} is checked",
                async () =>
                    (
                        status = (await server.GetAsync($"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{name}", Ct))![
                            "status"
                        ]
                    )?["observedGeneration"]
                        is not null,
                Ct
            );
            (status!["typeChecking"]?["expressionWarnings"]).Should().BeNull("{0}", status.ToJsonString());
        }
    }

    /// <summary>
    /// Write access to ClusterGpuBudgets is not enough, and neither is override in a namespace: a ClusterGpuBudget belongs to none.
    /// </summary>
    [SkippableFact]
    public async Task ClusterGpuBudget_is_changed_only_with_override_in_the_cluster()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-org");
        await GuardedTeam.PostAsync(
            server.Client,
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            """
            metadata: {name: guard-org-writers}
            rules: [{apiGroups: [bursar.dev], resources: [clustergpubudgets], verbs: [get, list, create, update, patch, delete, deletecollection]}]
            """
        );
        var budget = GuardedTeam.ClusterBudgets + "/guard-org";
        await team.ClusterBudgetAsync("guard-org");
        (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Delete, budget))
            .Message.Should()
            .Contain("cannot delete resource \"clustergpubudgets\"", "a namespace's administrator has no right on it");
        await team.BindInClusterAsync("guard-org-writers", "tenant", "holder");
        (string Text, string Patch)[] refused =
        [
            ("may change spec.limit (try: ", """{"spec": {"limit": {"cost": "900"}}}"""),
            ("may change spec.mode (try: ", """{"spec": {"mode": "Observe"}}"""),
            ("may change spec.namespaces (try: ", """{"spec": {"namespaces": ["elsewhere"]}}"""),
            (
                "may change spec.namespaces, spec.namespaceSelector (try: ",
                """{"spec": {"namespaces": null, "namespaceSelector": {"matchLabels": {"a": "b"}}}}"""
            ),
            (
                "may change annotation bursar.dev/released (try: ",
                """{"metadata": {"annotations": {"bursar.dev/released": "2026-11-21T10:00:00Z"}}}"""
            ),
        ];
        await server.UntilAsync(
            "the guard refuses the tenant",
            async () =>
                (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, budget + "?dryRun=All", refused[0].Patch)).Message.Contains(
                    refused[0].Text,
                    StringComparison.Ordinal
                ),
            Ct
        );

        foreach (var who in (KubeClient[])[team.Tenant, team.Holder])
        {
            foreach (var (text, patch) in refused)
                IsRefused(await GuardedTeam.SendAsync(who, HttpMethod.Patch, budget, patch), text);
            IsRefused(await GuardedTeam.SendAsync(who, HttpMethod.Delete, budget), "ClusterGpuBudget guard-org: ");
            (await GuardedTeam.SendAsync(who, HttpMethod.Patch, budget, """{"spec": {"thresholds": [90]}}""")).Code.Should().Be(0);
        }
        await team.BindInClusterAsync("bursar-override", "holder");
        await server.UntilAsync(
            "the right counts",
            async () => (await GuardedTeam.SendAsync(team.Holder, HttpMethod.Patch, budget, refused[0].Patch)).Code == 0,
            Ct
        );
        (await GuardedTeam.SendAsync(team.Holder, HttpMethod.Patch, budget, refused[3].Patch)).Code.Should().Be(0);
        IsRefused(await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Delete, budget), "may delete it (try: ");
        (await GuardedTeam.SendAsync(team.Holder, HttpMethod.Delete, budget)).Code.Should().Be(0);

        void IsRefused(Answer answer, string text)
        {
            output.WriteLine(answer.Message);
            answer.Code.Should().Be(403, "{0}", answer.Message);
            answer.Message.Should().Contain(text).And.Contain("kubectl auth can-i override clustergpubudgets.bursar.dev)");
        }
    }

    /// <summary>
    /// The author may make requests, the tenant may also answer them, and the holder may override too. RBAC and the policy together decide.
    /// </summary>
    [SkippableFact]
    public async Task Request_is_approved_by_another_user_under_their_own_name()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-requests");
        await GuardedTeam.PostAsync(server.Client, $"/api/v1/namespaces/{team.Name}/serviceaccounts", "{metadata: {name: author}}");
        await GuardedTeam.BindAsync(server.Client, team.Name, "ClusterRole", "edit", "author");
        await GuardedTeam.BindAsync(server.Client, team.Name, "ClusterRole", "bursar-approve", "tenant", "holder");
        using var author = new KubeClient(await server.ServiceAccountAsync(team.Name, "author", Ct));
        var requests = $"/apis/bursar.dev/v1alpha1/namespaces/{team.Name}/gpubudgetrequests";
        string NameOf(string person) => $"system:serviceaccount:{team.Name}:{person}";
        Task<Answer> MakeAsync(KubeClient who, string name, string? requestedBy, string budget = "budget: probe") =>
            GuardedTeam.SendAsync(
                who,
                HttpMethod.Post,
                requests,
                $"{{apiVersion: bursar.dev/v1alpha1, kind: GpuBudgetRequest, metadata: {{name: {name}}}, spec: {{{budget}, amount: 50, reason: deadline{(requestedBy is null ? "" : $", requestedBy: '{NameOf(requestedBy)}'")}}}}}",
                "application/yaml"
            );
        Task<Answer> AnswerAsync(KubeClient who, string name, string? answeredBy, string type = "Approved") =>
            GuardedTeam.SendAsync(
                who,
                HttpMethod.Patch,
                $"{requests}/{name}/status",
                $$$"""{"status": {{{{(answeredBy is null ? "" : $"\"approvedBy\": \"{NameOf(answeredBy)}\", ")}}}"conditions": [{"type": "{{{type}}}", "status": "True", "reason": "Test", "message": "", "lastTransitionTime": "2026-11-21T10:00:00Z"}]}}"""
            );
        void Refused(Answer answer, string text)
        {
            output.WriteLine(answer.Message);
            answer.Code.Should().Be(403, "{0}", answer.Message);
            answer.Message.Should().Contain(text);
        }
        void Done(Answer answer) => answer.Code.Should().Be(0, "{0}", answer.Message);
        await server.UntilAsync(
            "the policy refuses another name",
            async () =>
                (await MakeAsync(author, "forged", "tenant")) is { Code: 403 } answer && answer.Message.Contains("spec.requestedBy"),
            Ct
        );

        // The author of a request is the user who creates it.
        Refused(
            await MakeAsync(author, "forged", "tenant"),
            $"spec.requestedBy must be the name of the user who makes the request: {NameOf("author")}"
        );
        foreach (var (who, person) in ((KubeClient, string)[])[(author, "author"), (team.Tenant, "tenant"), (team.Holder, "holder")])
            Done(await MakeAsync(who, $"by-{person}", person));
        Done(await MakeAsync(author, "unnamed", null));
        await team.ClusterBudgetAsync("guard-requests-dept");
        Done(await MakeAsync(author, "cluster", "author", "clusterBudget: guard-requests-dept"));

        // The answer needs the right to write the status, the own name, and another author.
        Refused(await AnswerAsync(author, "by-author", "author"), "cannot patch resource \"gpubudgetrequests/status\"");
        foreach (var name in (string?[])[null, "holder"])
            Refused(await AnswerAsync(team.Tenant, "by-author", name), "status.approvedBy must be the name of the user");
        Refused(await AnswerAsync(team.Tenant, "by-tenant", "tenant"), "another user must approve it");
        Refused(await AnswerAsync(team.Tenant, "unnamed", "tenant"), "may approve a request without spec.requestedBy in namespace");
        Refused(
            await AnswerAsync(team.Tenant, "cluster", "tenant"),
            "may approve a request for ClusterGpuBudget guard-requests-dept (try: "
        );
        Refused(await AnswerAsync(team.Holder, "cluster", "holder"), "kubectl auth can-i override clustergpubudgets.bursar.dev");
        Done(await AnswerAsync(team.Tenant, "by-author", "tenant"));
        Done(await AnswerAsync(team.Tenant, "by-holder", "tenant"));
        Done(await AnswerAsync(team.Holder, "unnamed", "holder"));
        Done(await AnswerAsync(team.Tenant, "by-tenant", "tenant", "Denied"));
        Refused(
            await GuardedTeam.SendAsync(
                team.Tenant,
                HttpMethod.Patch,
                $"{requests}/by-author/status",
                $$$"""{"status": {"approvedBy": "{{{NameOf("holder")}}}"}}"""
            ),
            "status.approvedBy must be the name of the user"
        );
        Done(await MakeAsync(team.Holder, "again", "holder"));
        Done(await AnswerAsync(team.Holder, "again", "holder"));

        // The operator writes figures and the answer of the budget's autoApprove.
        Done(await MakeAsync(author, "small", "author"));
        Done(await AnswerAsync(team.Bursar, "small", null));
        Done(
            await GuardedTeam.SendAsync(
                team.Bursar,
                HttpMethod.Patch,
                $"{requests}/small/status",
                """{"status": {"state": "Approved", "approvedBy": "bursar"}}"""
            )
        );
        Done(await GuardedTeam.SendAsync(author, HttpMethod.Delete, $"{requests}/small"));
    }

    [SkippableFact]
    public async Task Tenant_cannot_resume_what_a_ClusterGpuBudget_suspended()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-org-team");
        using var other = await GuardedTeam.CreateAsync(server, "guard-org-other");
        await team.ClusterBudgetAsync("guard-org-dept");
        await team.DeploymentAsync("chat", 0);
        await other.DeploymentAsync("chat", 0);
        await team.JobAsync("train", suspended: false);
        var record = Record(
            await server.Client.GetAsync<V1Job>("train", team.Name, Ct),
            await server.Client.GetAsync<V1Alpha1ClusterGpuBudget>("guard-org-dept", null, Ct),
            "batch/v1",
            "/spec/suspend",
            "false",
            "true"
        );
        (await new WorkloadActor(team.Bursar).SuspendAsync(record, Ct)).Should().Be(WriteResult.Done);
        await team.MarkSuspendedByClusterBudgetAsync("guard-org-dept", "chat");
        var refused = new Answer(0, "", null);
        await server.UntilAsync(
            "what is suspended is known",
            async () =>
                (
                    refused = await GuardedTeam.SendAsync(
                        team.Tenant,
                        HttpMethod.Patch,
                        team.Deployments + "/chat/scale?dryRun=All",
                        """{"spec": {"replicas": 2}}"""
                    )
                ).Code == 403,
            Ct
        );
        output.WriteLine(refused.Message);
        refused
            .Message.Should()
            .Contain("Deployment chat is scaled to zero by Bursar (clustergpubudget/guard-org-dept)")
            .And.Contain("kubectl describe clustergpubudget guard-org-dept. Only")
            .And.Contain("kubectl auth can-i override gpubudgets.bursar.dev -n guard-org-team");
        (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, team.Deployments + "/chat", """{"spec": {"replicas": 2}}"""))
            .Code.Should()
            .Be(403);
        (await GuardedTeam.SendAsync(other.Tenant, HttpMethod.Patch, other.Deployments + "/chat/scale", """{"spec": {"replicas": 2}}"""))
            .Code.Should()
            .Be(0, "the Deployment with the same name in another namespace is not suspended");
        var job = await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, team.Jobs + "/train", """{"spec": {"suspend": false}}""");
        output.WriteLine(job.Message);
        job.Code.Should().Be(403);
        job.Message.Should()
            .Contain("Job train is suspended by Bursar (clustergpubudget/guard-org-dept)")
            .And.Contain("kubectl describe clustergpubudget/guard-org-dept. Only");

        (await GuardedTeam.SendAsync(team.Holder, HttpMethod.Patch, team.Jobs + "/train", """{"spec": {"suspend": false}}"""))
            .Code.Should()
            .Be(0);
        (await GuardedTeam.SendAsync(team.Holder, HttpMethod.Patch, team.Deployments + "/chat/scale", """{"spec": {"replicas": 2}}"""))
            .Code.Should()
            .Be(0);
    }

    /// <summary>The objects through which a manager stops a workload: Kueue's, KEDA's, KServe's.</summary>
    [SkippableFact]
    public async Task Tenant_cannot_undo_what_Bursar_set_on_a_manager()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-owners");
        (EntityKind Entity, string Stopped, string Resume)[] all =
        [
            (
                V1Workload.EntityKind,
                "metadata: {name: w, annotations: {bursar.dev/suspended-by: gpubudget/probe}}, spec: {active: false}",
                """{"spec": {"active": true}}"""
            ),
            (
                V1ScaledObject.EntityKind,
                "metadata: {name: w, annotations: {bursar.dev/suspended-by: gpubudget/probe, autoscaling.keda.sh/paused-replicas: '0'}}",
                """{"metadata": {"annotations": {"autoscaling.keda.sh/paused-replicas": null}}}"""
            ),
            (
                V1Beta1InferenceService.EntityKind,
                "metadata: {name: w, annotations: {bursar.dev/suspended-by: gpubudget/probe, serving.kserve.io/stop: 'true'}}",
                """{"metadata": {"annotations": {"serving.kserve.io/stop": "false"}}}"""
            ),
        ];
        await GuardedTeam.PostAsync(
            server.Client,
            $"/apis/rbac.authorization.k8s.io/v1/namespaces/{team.Name}/roles",
            "{metadata: {name: managers}, rules: [{apiGroups: [kueue.x-k8s.io, keda.sh, serving.kserve.io], resources: ['*'], verbs: [get, create, patch]}]}"
        );
        await GuardedTeam.BindAsync(server.Client, team.Name, "Role", "managers", "tenant", "holder");
        foreach (var (entity, stopped, resume) in all)
        {
            await GuardedTeam.PostAsync(
                server.Client,
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                $$$"""
                metadata: {name: {{{entity.Plural}}}.{{{entity.Group}}}}
                spec:
                  group: {{{entity.Group}}}
                  names: {kind: {{{entity.Kind}}}, plural: {{{entity.Plural}}}, singular: {{{entity.Kind.ToLowerInvariant()}}}}
                  scope: Namespaced
                  versions:
                  - {name: {{{entity.Version}}}, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}} }
                """
            );
            var path = entity.Path(team.Name, "w");
            await server.UntilAsync(
                $"a {entity.Kind} can be made",
                async () =>
                {
                    try
                    {
                        await GuardedTeam.PostAsync(
                            server.Client,
                            entity.Path(team.Name),
                            $"{{apiVersion: {entity.ApiVersion}, kind: {entity.Kind}, {stopped}}}"
                        );
                        return true;
                    }
                    catch (ApiException error) when (error.IsNotFound)
                    {
                        return false;
                    }
                },
                Ct
            );
            await server.UntilAsync(
                "the tenant is refused by the guard",
                async () =>
                    await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, path + "?dryRun=All", resume)
                        is { Code: 403, Message: var words }
                    && words.Contains($"{entity.Kind} w is suspended by Bursar", StringComparison.Ordinal),
                Ct
            );
            (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, path, """{"metadata": {"labels": {"a": "b"}}}"""))
                .Code.Should()
                .Be(0);
            (await GuardedTeam.SendAsync(team.Holder, HttpMethod.Patch, path, resume)).Code.Should().Be(0);
        }
    }

    [SkippableFact]
    public async Task Operators_own_account_suspends_and_resumes()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-pass");
        await team.JobAsync("train", suspended: false);
        await team.DeploymentAsync("chat", 2);
        var budget = await server.Client.GetAsync<V1Alpha1GpuBudget>("probe", team.Name, Ct);
        await server.UntilAsync(
            "the Job controller has written its status",
            async () => (await JobAsync(team, "train"))["status"]?["active"]?.GetValue<int>() == 1,
            Ct
        );
        var actor = new WorkloadActor(team.Bursar);
        var job = Record(await server.Client.GetAsync<V1Job>("train", team.Name, Ct), budget, "batch/v1", "/spec/suspend", "false", "true");
        var deployment = Record(
            await server.Client.GetAsync<V1Deployment>("chat", team.Name, Ct),
            budget,
            "apps/v1",
            "/spec/replicas",
            "2",
            "0"
        );

        (await actor.SuspendAsync(job, Ct)).Should().Be(WriteResult.Done);
        (await actor.SuspendAsync(deployment, Ct)).Should().Be(WriteResult.Done);
        await team.MarkSuspendedAsync("probe", "chat");
        await server.UntilAsync(
            "the Job controller has stopped it",
            async () =>
                (await JobAsync(team, "train"))["status"]
                    ?["conditions"]?.AsArray()
                    .Any(c => (string?)c!["type"] == "Suspended" && (string?)c["status"] == "True") == true,
            Ct
        );
        await server.UntilAsync(
            "what is suspended is known",
            async () =>
                (
                    await GuardedTeam.SendAsync(
                        team.Tenant,
                        HttpMethod.Patch,
                        team.Deployments + "/chat/scale?dryRun=All",
                        """{"spec": {"replicas": 2}}"""
                    )
                ).Code == 403,
            Ct
        );
        var restorer = new FieldRestorer(team.Bursar);
        (await restorer.RestoreAsync(job, Ct)).Result.Should().Be(WriteResult.Done);
        (await restorer.RestoreAsync(deployment, Ct)).Result.Should().Be(WriteResult.Done);

        (await JobAsync(team, "train"))["metadata"]!["annotations"]?["bursar.dev/suspended-by"].Should().BeNull();
        (await server.Client.GetAsync<V1Deployment>("chat", team.Name, Ct)).Spec.Replicas.Should().Be(2);
        await server.UntilAsync(
            "the Job controller has started it again",
            async () => (await JobAsync(team, "train"))["status"]?["active"]?.GetValue<int>() == 1,
            Ct
        );
    }

    [SkippableFact]
    public async Task Namespace_is_emptied_and_dependents_are_collected_under_the_guard()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-goes");
        await SuspendJobAsync(server, team, "suspended");
        // A budget and a suspended job that belong to another object, as those of a package manager do.
        await GuardedTeam.PostAsync(server.Client, $"/api/v1/namespaces/{team.Name}/configmaps", "{metadata: {name: owner}}");
        var uid = (string)(await server.GetAsync($"/api/v1/namespaces/{team.Name}/configmaps/owner", Ct))!["metadata"]!["uid"]!;
        var owned =
            $$$"""{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "{{{uid}}}"}]}}""";
        await team.BudgetAsync("owned");
        await SuspendJobAsync(server, team, "owned");
        foreach (var path in (string[])[team.Budgets + "/owned", team.Jobs + "/owned"])
            (await GuardedTeam.SendAsync(server.Client, HttpMethod.Patch, path, owned)).Code.Should().Be(0);
        (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Delete, $"/api/v1/namespaces/{team.Name}/configmaps/owner"))
            .Code.Should()
            .Be(0);
        foreach (var path in (string[])[team.Budgets + "/owned", team.Jobs + "/owned"])
            await server.UntilAsync(
                $"{path} is collected",
                async () => (await GuardedTeam.SendAsync(server.Client, HttpMethod.Get, path)).Code == 404,
                Ct
            );

        // Foreground deletion: the garbage collector removes the finalizer of the suspended job.
        (
            await GuardedTeam.SendAsync(
                team.Tenant,
                HttpMethod.Delete,
                team.Jobs + "/suspended",
                """{"propagationPolicy": "Foreground"}""",
                "application/json"
            )
        )
            .Code.Should()
            .Be(0);
        await server.UntilAsync(
            "the suspended job is gone",
            async () => (await GuardedTeam.SendAsync(server.Client, HttpMethod.Get, team.Jobs + "/suspended")).Code == 404,
            Ct
        );

        await SuspendJobAsync(server, team, "last");
        await server.Client.DeleteAsync<V1Namespace>(team.Name, null, null, Ct);
        await server.UntilAsync(
            "the namespace is gone",
            async () => await server.Client.GetOrNullAsync<V1Namespace>(team.Name, null, Ct) is null,
            Ct
        );
    }

    [SkippableFact]
    public async Task Release_works_for_users_with_override_and_others_get_the_reason()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-release");
        // Both may read and write the ledger and the control ConfigMap, so RBAC does not stop them.
        foreach (var person in (string[])["tenant", "holder"])
            await GuardedTeam.PostAsync(
                server.Client,
                $"/apis/rbac.authorization.k8s.io/v1/namespaces/{GuardedCluster.Own}/rolebindings",
                $$"""
                metadata: {generateName: people-}
                roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: bursar}
                subjects: [{kind: ServiceAccount, name: {{person}}, namespace: {{team.Name}}}]
                """
            );
        await SuspendJobAsync(server, team, "train");
        var state = new OperatorState();
        state.RecordSuspension(
            Record(
                await server.Client.GetAsync<V1Job>("train", team.Name, Ct),
                await server.Client.GetAsync<V1Alpha1GpuBudget>("probe", team.Name, Ct),
                "batch/v1",
                "/spec/suspend",
                "false",
                "true"
            )
        );
        foreach (var shard in state.DirtyShards())
            await server.Client.CreateAsync(
                new V1Alpha1GpuLedger
                {
                    Metadata = new() { Name = shard.Name, Namespace = GuardedCluster.Own },
                    Spec = new()
                    {
                        Kind = shard.Kind,
                        Namespace = shard.Namespace,
                        Day = shard.Day,
                        Shard = shard.Index,
                        Data = JsonSerializer.SerializeToElement(shard, LedgerJson.Default.LedgerShard),
                    },
                },
                Ct
            );

        var (refused, why) = await ReleaseAsync(team.Tenant);
        output.WriteLine(why);
        refused.Should().Be(1);
        why.Should().Contain("Job train is suspended by Bursar").And.Contain("bursar-override").And.NotContain("this needs the right");
        ((bool?)(await JobAsync(team, "train"))["spec"]!["suspend"]).Should().BeTrue();

        var (released, text) = await ReleaseAsync(team.Holder);
        released.Should().Be(0, "{0}", text);
        ((bool?)(await JobAsync(team, "train"))["spec"]!["suspend"]).Should().BeFalse();
    }

    [SkippableFact]
    public async Task Gate_annotation_is_accepted_in_new_objects_only()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-held");
        // The object as the webhook returns it, in the tenant's own request.
        foreach (var name in (string[])["held", "fits", "undone"])
            await GuardedTeam.PostAsync(
                team.Tenant,
                team.Jobs,
                GuardedTeam.JobText(name, suspended: true, "bursar.dev/gated-on-creation: \"false\"")
            );
        await team.JobAsync("own", suspended: true);
        foreach (var (job, value) in ((string, string)[])[("own", "\"false\""), ("held", "null"), ("held", "\"absent\"")])
        {
            var answer = await GuardedTeam.SendAsync(
                team.Tenant,
                HttpMethod.Patch,
                $"{team.Jobs}/{job}",
                $$$$$$"""{"metadata": {"annotations": {"bursar.dev/gated-on-creation": {{{{{{value}}}}}}}}}"""
            );
            answer.Code.Should().Be(403, "{0} on {1}: {2}", value, job, answer.Message);
            answer.Message.Should().Contain("Bursar itself writes bursar.dev/gated-on-creation");
        }

        // The leader suspends or resumes it with the operator's account.
        var kind = WorkloadKinds.Find("Job")!;
        var record = Record(
            await server.Client.GetAsync<V1Job>("held", team.Name, Ct),
            await server.Client.GetAsync<V1Alpha1GpuBudget>("probe", team.Name, Ct),
            "batch/v1",
            "/spec/suspend",
            "false",
            "true"
        );
        (await new WorkloadActor(team.Bursar).SuspendAsync(record, Ct)).Should().Be(WriteResult.Done);
        (await JobAsync(team, "held"))["metadata"]!["annotations"]!
            .AsObject()
            .Select(a => a.Key)
            .Should()
            .Contain("bursar.dev/suspended-by")
            .And.NotContain("bursar.dev/gated-on-creation");
        (
            await new WorkloadActor(team.Bursar).ResumeGatedAsync(
                (await kind.GetAsync(team.Bursar, team.Name, "fits", Ct))!,
                isQueued: false,
                Ct
            )
        )
            .Should()
            .Be(WriteResult.Done);
        ((bool)(await JobAsync(team, "fits"))["spec"]!["suspend"]!).Should().BeFalse();
        // A user may resume a job that has no verdict yet, so no user is stuck without a leader.
        (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, team.Jobs + "/undone", """{"spec": {"suspend": false}}"""))
            .Code.Should()
            .Be(0);
    }

    [SkippableFact]
    public async Task Tenant_cannot_grant_themselves_the_override()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-rights");
        foreach (
            var bind in (Func<Task>[])
                [
                    () => GuardedTeam.BindAsync(team.Tenant, team.Name, "ClusterRole", "bursar-override", "tenant"),
                    () =>
                        GuardedTeam.PostAsync(
                            team.Tenant,
                            $"/apis/rbac.authorization.k8s.io/v1/namespaces/{team.Name}/roles",
                            "{metadata: {name: mine}, rules: [{apiGroups: [bursar.dev], resources: [gpubudgets], verbs: ['*']}]}"
                        ),
                ]
        )
            (await bind.Should().ThrowAsync<ApiException>())
                .Which.Should()
                .Match<ApiException>(e => e.IsForbidden && e.Message.Contains("not currently held"));
        (await team.TryRaiseAsync()).Code.Should().Be(403);

        // A user with the right may pass it on for one budget alone.
        await GuardedTeam.PostAsync(
            server.Client,
            $"/apis/rbac.authorization.k8s.io/v1/namespaces/{team.Name}/roles",
            "{metadata: {name: one}, rules: [{apiGroups: [bursar.dev], resources: [gpubudgets], resourceNames: [theirs], verbs: [override]}]}"
        );
        await team.BudgetAsync("theirs");
        await GuardedTeam.BindAsync(server.Client, team.Name, "Role", "one", "tenant");
        await server.UntilAsync(
            "the right counts",
            async () =>
                (
                    await GuardedTeam.SendAsync(
                        team.Tenant,
                        HttpMethod.Patch,
                        team.Budgets + "/theirs",
                        """{"spec": {"limit": {"cost": "900"}}}"""
                    )
                ).Code == 0,
            Ct
        );
        (await team.TryRaiseAsync()).Code.Should().Be(403, "it is another budget");
    }

    [SkippableFact]
    public async Task Kubectl_shows_the_way_to_override()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-kubectl");
        await SuspendJobAsync(server, team, "train");
        await team.DeploymentAsync("chat", 0);
        await team.MarkSuspendedAsync("probe", "chat");
        await server.UntilAsync(
            "what is suspended is known",
            async () =>
                (
                    await GuardedTeam.SendAsync(
                        team.Tenant,
                        HttpMethod.Patch,
                        team.Deployments + "/chat/scale?dryRun=All",
                        """{"spec": {"replicas": 2}}"""
                    )
                ).Code == 403,
            Ct
        );
        var dump = (await InstallTool.KubectlAsync(server.Kubeconfig, "get", "gpub", "probe", "-n", team.Name, "-o", "yaml"))
            .Succeeded()
            .Output;

        await RefusedAsync("scale", "deployment", "chat", "--replicas=2");
        await RefusedAsync("annotate", "job", "train", "bursar.dev/suspended-by-");
        await RefusedAsync("patch", "job", "train", "--type=merge", "-p", """{"spec": {"suspend": false}}""");
        await RefusedAsync("delete", "gpub", "probe");
        await RefusedAsync("delete", "gpub", "--all");
        foreach (
            var verb in (string[][])
                [
                    ["replace"],
                    ["apply", "--server-side", "--force-conflicts"],
                ]
        )
        {
            var text = System.Text.RegularExpressions.Regex.Replace(
                dump.Replace("cost: \"500\"", "cost: \"900\"", StringComparison.Ordinal),
                "(?ms)^  managedFields:.*?(?=^  \\w)",
                ""
            );
            var answer = await InstallTool.KubectlWithInputAsync(
                server.Kubeconfig,
                text,
                [.. verb, "-f", "-", "--as", $"system:serviceaccount:{team.Name}:tenant"]
            );
            answer.Code.Should().NotBe(0);
            answer.Error.Should().Contain("(Forbidden)").And.Contain("may change spec.limit in namespace guard-kubectl");
        }

        (
            await InstallTool.KubectlAsync(
                server.Kubeconfig,
                "auth",
                "can-i",
                "override",
                "gpubudgets.bursar.dev",
                "-n",
                team.Name,
                "--as",
                $"system:serviceaccount:{team.Name}:tenant"
            )
        )
            .Output.Trim()
            .Should()
            .Be("no");
        (
            await InstallTool.KubectlAsync(
                server.Kubeconfig,
                "auth",
                "can-i",
                "override",
                "gpubudgets.bursar.dev",
                "-n",
                team.Name,
                "--as",
                $"system:serviceaccount:{team.Name}:holder"
            )
        )
            .Output.Trim()
            .Should()
            .Be("yes");

        async Task RefusedAsync(params string[] arguments)
        {
            var answer = await InstallTool.KubectlAsync(
                server.Kubeconfig,
                [.. arguments, "-n", team.Name, "--as", $"system:serviceaccount:{team.Name}:tenant"]
            );
            output.WriteLine($"$ kubectl {string.Join(' ', arguments)}\n{answer.Text}");
            answer.Code.Should().NotBe(0);
            answer
                .Error.Should()
                .Contain("(Forbidden)")
                .And.Contain("the verb override on gpubudgets.bursar.dev")
                .And.Contain("a RoleBinding to the ClusterRole bursar-override");
        }
    }

    [SkippableFact]
    public async Task Guard_is_disabled_by_one_value_and_removed_by_an_uninstall()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-switch");
        (
            await InstallTool.HelmAsync(
                server.Kubeconfig,
                ["upgrade", "bursar", InstallTool.Chart, .. GuardedCluster.ChartValues, "--set", "guard.enabled=false"]
            )
        ).Succeeded();
        try
        {
            (await PoliciesAsync(server)).Should().BeEmpty();
            await server.UntilAsync("tenants may", async () => (await team.TryRaiseAsync()).Code == 0, Ct);
        }
        finally
        {
            (
                await InstallTool.HelmAsync(
                    server.Kubeconfig,
                    ["upgrade", "bursar", InstallTool.Chart, .. GuardedCluster.ChartValues, "--set", "guard.enabled=true"]
                )
            ).Succeeded();
        }
        await team.InForceAsync();

        (
            await InstallTool.HelmAsync(server.Kubeconfig, "uninstall", "bursar", "--namespace", GuardedCluster.Own, "--no-hooks")
        ).Succeeded();
        try
        {
            (await PoliciesAsync(server)).Should().BeEmpty();
            await server.UntilAsync("tenants may", async () => (await team.TryRaiseAsync()).Code == 0, Ct);
        }
        finally
        {
            (
                await InstallTool.HelmAsync(server.Kubeconfig, ["install", "bursar", InstallTool.Chart, .. GuardedCluster.ChartValues])
            ).Succeeded();
        }
    }

    [SkippableFact]
    public async Task Guard_without_the_budget_CRD_blocks_no_workload()
    {
        var server = await cluster.OpenAsync(Ct);
        using var team = await GuardedTeam.CreateAsync(server, "guard-without");
        await team.DeploymentAsync("chat", 0);
        await team.MarkSuspendedAsync("probe", "chat");
        var scaleUp = team.Deployments + "/chat/scale?dryRun=All";
        await server.UntilAsync(
            "what is suspended is known",
            async () => (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, scaleUp, """{"spec": {"replicas": 2}}""")).Code == 403,
            Ct
        );

        // The policies stay and miss what they ask; the CRD's own finalizer deletes the budgets.
        string[] crds = ["gpubudgets.bursar.dev", "clustergpubudgets.bursar.dev"];
        foreach (var crd in crds)
            await server.Client.DeleteAsync<V1CustomResourceDefinition>(crd, null, null, Ct);
        try
        {
            foreach (var crd in crds)
                await server.UntilAsync(
                    "the kind is gone",
                    async () => await server.Client.GetOrNullAsync<V1CustomResourceDefinition>(crd, null, Ct) is null,
                    Ct
                );
            await server.UntilAsync(
                "a tenant scales",
                async () =>
                    (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, scaleUp, """{"spec": {"replicas": 2}}""")).Code == 0,
                Ct
            );
            await team.JobAsync("train", suspended: true);
            (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, team.Jobs + "/train", """{"spec": {"suspend": false}}"""))
                .Code.Should()
                .Be(0);
        }
        finally
        {
            (
                await InstallTool.HelmAsync(server.Kubeconfig, ["upgrade", "bursar", InstallTool.Chart, .. GuardedCluster.ChartValues])
            ).Succeeded();
        }

        await server.UntilAsync(
            "budgets are served again",
            async () => (await GuardedTeam.SendAsync(server.Client, HttpMethod.Get, team.Budgets)).Code == 0,
            Ct
        );
        await team.BudgetAsync("probe");
        await team.MarkSuspendedAsync("probe", "chat");
        await server.UntilAsync(
            "what is suspended is known again",
            async () => (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Patch, scaleUp, """{"spec": {"replicas": 2}}""")).Code == 403,
            Ct
        );
    }

    private static Attempt Patch(string name, Target on, string? refusal, string body, string type = Merge, string suffix = "") =>
        new(name, on, refusal, HttpMethod.Patch, body, type, suffix);

    private static Attempt Put(string name, Target on, string? refusal, Action<JsonNode> edit, string suffix = "") =>
        new(name, on, refusal, HttpMethod.Put, null, "application/json", suffix, edit);

    private static string Path(GuardedTeam team, Attempt attempt, int index) =>
        attempt.On switch
        {
            Target.Budget => $"{team.Budgets}/a{index}{attempt.Suffix}",
            Target.SuspendedJob or Target.OwnJob => $"{team.Jobs}/a{index}{attempt.Suffix}",
            Target.SuspendedDeployment or Target.OwnDeployment => $"{team.Deployments}/a{index}{attempt.Suffix}",
            _ => attempt.Suffix == "jobs" ? team.Jobs : team.Budgets,
        };

    /// <summary>An object for each attempt, and the API server knows by the budget's status which Deployments are suspended.</summary>
    private static async Task PrepareAsync(InstallServer server, GuardedTeam team)
    {
        var suspended = new List<string>();
        for (var i = 0; i < Attempts.Length; i++)
        {
            var name = $"a{i}";
            switch (Attempts[i].On)
            {
                case Target.Budget:
                    await team.BudgetAsync(name);
                    break;
                case Target.SuspendedJob:
                    await SuspendJobAsync(server, team, name);
                    break;
                case Target.OwnJob:
                    await team.JobAsync(name, suspended: true);
                    break;
                case Target.OwnDeployment:
                    await team.DeploymentAsync(name, 0);
                    break;
                case Target.SuspendedDeployment:
                    await team.DeploymentAsync(name, 0);
                    suspended.Add(name);
                    break;
            }
        }
        await team.MarkSuspendedAsync("probe", [.. suspended]);
        await server.UntilAsync(
            "what is suspended is known",
            async () =>
                (
                    await GuardedTeam.SendAsync(
                        team.Tenant,
                        HttpMethod.Patch,
                        $"{team.Deployments}/{suspended[^1]}/scale?dryRun=All",
                        """{"spec": {"replicas": 2}}"""
                    )
                ).Code == 403,
            Ct
        );
    }

    /// <summary>A job of the tenant's, suspended by the operator's actor under the operator's account.</summary>
    private static async Task SuspendJobAsync(InstallServer server, GuardedTeam team, string name, string reason = "BudgetExhausted")
    {
        await team.JobAsync(name, suspended: false);
        var record = Record(
            await server.Client.GetAsync<V1Job>(name, team.Name, Ct),
            await server.Client.GetAsync<V1Alpha1GpuBudget>("probe", team.Name, Ct),
            "batch/v1",
            "/spec/suspend",
            "false",
            "true"
        ) with
        {
            Reason = reason,
        };
        (await new WorkloadActor(team.Bursar).SuspendAsync(record, Ct)).Should().Be(WriteResult.Done);
    }

    private static SuspensionRecord Record(
        IKubernetesObject target,
        BudgetObject budget,
        string version,
        string pointer,
        string original,
        string value
    ) =>
        new()
        {
            Workload = new(target.Metadata.Namespace!, target.Kind, target.Metadata.Name, target.Metadata.Uid),
            ApiVersion = version,
            Field = new(new(version, target.Kind, target.Metadata.Name, target.Metadata.Uid), pointer, original, value),
            Since = CommandsWorld.Decided,
            Reason = "BudgetExhausted",
            Cause = new() { Since = CommandsWorld.Decided, Reason = "BudgetExhausted" },
            Budget = budget.Metadata.Name,
            BudgetUid = budget.Metadata.Uid,
            IsClusterBudget = budget is V1Alpha1ClusterGpuBudget,
        };

    private static async Task<Answer> TryAsync(KubeClient who, Attempt attempt, string path)
    {
        var body = attempt.Body;
        if (attempt.Edit is { } edit)
        {
            var now = (await GuardedTeam.SendAsync(who, HttpMethod.Get, path)).Object!;
            edit(now);
            // Controllers write these objects' status meanwhile; that is not what is tried.
            if (attempt.On != Target.Budget)
                now["metadata"]!.AsObject().Remove("resourceVersion");
            body = now.ToJsonString();
        }
        return await GuardedTeam.SendAsync(who, attempt.Method, path, body, attempt.Type);
    }

    /// <summary>The fields of an object that the guard protects, without those that controllers write in the meantime.</summary>
    private static async Task<string> EssenceAsync(InstallServer server, Attempt attempt, string path)
    {
        if (attempt.On == Target.Team)
            return attempt.Suffix == "jobs" ? $"{(await GuardedTeam.SendAsync(server.Client, HttpMethod.Get, path + "/copied")).Code}" : "";
        var (code, _, found) = await GuardedTeam.SendAsync(server.Client, HttpMethod.Get, path.Split('?')[0]);
        if (found is null)
            return $"{code}";
        var metadata = found["metadata"]!;
        var marks = metadata["annotations"]
            ?.AsObject()
            .Where(a => a.Key.StartsWith("bursar.dev/", StringComparison.Ordinal))
            .Select(a => $"{a.Key}={a.Value}")
            ?? [];
        return $"{found["spec"]?.ToJsonString()} {string.Join(' ', marks)} {metadata["ownerReferences"]?.ToJsonString()} {metadata["deletionTimestamp"]}";
    }

    private static async Task<JsonNode> JobAsync(GuardedTeam team, string name) =>
        (await GuardedTeam.SendAsync(team.Tenant, HttpMethod.Get, $"{team.Jobs}/{name}")).Object!;

    private static async Task<(int Code, string Text)> ReleaseAsync(KubeClient client)
    {
        using var text = new StringWriter();
        return (await ReleaseCommand.RunAsync(client, GuardedCluster.Own, new(null, null, DryRun: false), text, Ct), text.ToString());
    }

    private static async Task<string[]> PoliciesAsync(InstallServer server) =>
        [
            .. (await server.GetAsync("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", Ct))!["items"]!
                .AsArray()
                .Select(p => (string)p!["metadata"]!["name"]!)
                .Where(n => n.StartsWith("bursar-", StringComparison.Ordinal)),
        ];
}
