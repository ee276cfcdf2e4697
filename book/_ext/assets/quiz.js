/* Each question of a {quiz} becomes a form. The explanations stay in the answer list, which the
   style sheet shows on paper only. */
document.querySelectorAll(".vbl-quiz").forEach((quiz, number) => {
  const explained = quiz.querySelectorAll(".vbl-explained ol > li");
  quiz.querySelectorAll(":scope > ol > li").forEach((question, i) => {
    const list = question.querySelector("ul");
    const options = [...list.children].map(option => [...option.childNodes]);
    const asks = [...question.childNodes].filter(node => node !== list);
    const radios = vblRadios(`quiz-${number}-${i}`, asks, options);
    const reasons = explained[i].querySelector("ul").children;
    question.append(vblForm([radios], form => {
      const chosen = form.querySelector("input:checked");
      if (!chosen) return { right: false, said: ["Choose an option first."] };
      const reason = reasons[chosen.value];
      const said = [...reason.childNodes].map(node => node.cloneNode(true));
      return { right: reason.classList.contains("vbl-right"), said };
    }));
    list.remove();
  });
  quiz.classList.add("vbl-active");
});
