using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Admission;
using Bursar.Operator.Cluster;
using Bursar.Operator.Commands;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Wording;

/// <summary>The messages that the operator and the command line add to those of decisions.</summary>
internal static class OperatorMessages
{
    public static void AddTo(MessageTable table)
    {
        Admission(table);
        Kueue(table);
        Annotations(table);
        Explanations(table);
    }

    private static void Admission(MessageTable table)
    {
        table.Section("Warnings of the admission webhook, which kubectl prints");
        ReviewedWorkload job = new("Job", 8, V100 * 8, TimeSpan.FromSeconds(30), null);
        ReviewedBudget nlp = new("gpubudget nlp", Terms(500), false, new(Money(487.70m), Money(500), "USD"));
        void Judged(ReviewedWorkload work, ReviewedBudget budget, bool observeOnly = false)
        {
            var verdict = AdmissionRule.Judge(work, [budget], observeOnly, Now);
            table.Add(verdict.Gate ? "created suspended" : "created as it is", verdict.Warnings.Single());
        }
        ReviewedBudget Once(double from, double to) =>
            nlp with
            {
                Terms = nlp.Terms! with { Window = new(WindowPeriod.Once, Start: Now.AddDays(from), End: Now.AddDays(to)) },
            };
        Judged(job, nlp);
        Judged(job with { Gpus = 1, Rate = null }, nlp with { Figures = null });
        Judged(job, nlp with { Figures = new(Money(501), Money(500), "USD") });
        Judged(job, nlp, observeOnly: true);
        Judged(job, nlp with { Terms = nlp.Terms! with { Mode = EnforcementMode.Observe } });
        Judged(job, nlp with { Terms = null });
        Judged(job, nlp with { IsReleased = true });
        Judged(job, nlp with { Exempts = true });
        Judged(job with { WhyNot = "spec.managedBy is example.com/controller" }, nlp);
        Judged(job with { TerminationGrace = TimeSpan.FromMinutes(16) }, nlp);
        Judged(job, Once(1, 2));
        Judged(job, Once(-2, -1));
    }

    private static void Kueue(MessageTable table)
    {
        table.Section("Answers to Kueue: the AdmissionCheckState of a Workload");
        var train = Job("train", 10);
        void Answered(BudgetSnapshot budget, bool observes = false)
        {
            var decision = BudgetDecider.Decide(budget);
            var answer = AdmissionAnswer.From(decision, decision.Workloads.Single(), budget.Name, observes);
            table.Add(answer.Admits ? "Ready" : "Pending", answer.Sentence);
        }
        Answered(Budget(50, train), observes: true);
        Answered(Budget(50, train));
        Answered(Budget(50, train.Waiting()));
        Answered(Budget(50, train.Waiting() with { Exempt = true }));
    }

    private static void Annotations(MessageTable table)
    {
        table.Section("Annotations without an effect: an Event AnnotationIgnored on the workload");
        void Read(string name, string value)
        {
            V1ObjectMeta metadata = new() { Annotations = new Dictionary<string, string> { [name] = value } };
            foreach (var problem in AnnotationRules.Problems(metadata, [], []))
                table.Add(Reasons.AnnotationIgnored, problem.Message);
        }
        Read("bursar.dev/expected-time", "2h");
        string[] known =
        [
            BursarAnnotations.ExpectedDuration,
            BursarAnnotations.TotalSteps,
            BursarAnnotations.Progress,
            BursarAnnotations.LastCheckpoint,
            BursarAnnotations.Priority,
            BursarAnnotations.Class,
            AgentTargets.PortAnnotation,
            AgentTargets.PathAnnotation,
        ];
        foreach (var name in known)
            Read(name, "x");
        Read(BursarAnnotations.Series, "");
        V1PodTemplateSpec Template(string name, string value) =>
            new() { Metadata = new() { Annotations = new Dictionary<string, string> { [name] = value } } };
        var approved = Template(BursarAnnotations.Resume, "approved");
        foreach (var problem in AnnotationRules.Problems(new(), [new("its spec.annotations", approved.Metadata.Annotations)], [approved]))
            table.Add(Reasons.AnnotationIgnored, problem.Message);
        var steps = Template(BursarAnnotations.TotalSteps, "100");
        foreach (var problem in AnnotationRules.Problems(new(), [], [Template("app", "x"), steps], Template("app", "x")))
            table.Add(Reasons.AnnotationIgnored, problem.Message);
    }

    private static void Explanations(MessageTable table)
    {
        table.Section("bursar explain: why each workload is as it is, and what would change it");
        void Explained(BudgetSnapshot budget)
        {
            foreach (var line in ExplainReasoning.Format(budget).Split('\n', StringSplitOptions.RemoveEmptyEntries))
                table.Add("bursar explain", line);
        }
        Explained(Budget(50));
        Explained(Budget(50, Job("train", 4)));
        Explained(Budget(50, Serving("chat")));
        Explained(Budget(50, Job("train", 10, priority: 1), Unknown("unknown"), Job("train-2", 10)));
        Explained(Budget(50, Job("train", 4), Job("train-2", 4)).Admitted(("train", 2), ("train-2", 13)));
        Explained(Budget(50, Job("train", 10), Job("held", 5).Suspended(50)));
        Explained(Budget(40, Job("small", 2), Job("held", 3).Suspended(40)).Admitted(("small", 6.12m)));
        Explained(
            Budget(Terms(50) with { UnknownDuration = UnknownDuration.RunToWindowEnd }, Unknown("unknown")).Admitted(("unknown", 0.01m))
        );
        Explained(Budget(50, Job("train", 4), Job("large", 1000).Suspended(50) with { PriorityWithin = 2 }));
        Explained(Budget(Terms(50) with { Resume = ResumePolicy.Manual }, Job("train", 10), Job("held", 5).Suspended(50)));
        Explained(Budget(50, [.. Enumerable.Range(0, 61).Select(i => Unknown($"job-{i}"))]));
    }
}
